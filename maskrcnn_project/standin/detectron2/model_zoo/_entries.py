"""
The published models of the Mask R-CNN family, trained on COCO train2017, with their accuracy on val2017.

Source: Detectron2's model zoo (MODEL_ZOO.md). The six hexadecimal digits in a file's name begin its SHA-256.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Weights of one config, and the average precision (AP, in percent) they were published with."""

    weights: str  # below <config name>/ in Detectron2's storage
    box_ap: float
    mask_ap: float | None = None  # None: the model has no masks


ENTRIES = {
    "COCO-Detection/faster_rcnn_R_50_C4_1x": Entry("137257644/model_final_721ade.pkl", 35.7),
    "COCO-Detection/faster_rcnn_R_50_DC5_1x": Entry("137847829/model_final_51d356.pkl", 37.3),
    "COCO-Detection/faster_rcnn_R_50_FPN_1x": Entry("137257794/model_final_b275ba.pkl", 37.9),
    "COCO-Detection/faster_rcnn_R_50_C4_3x": Entry("137849393/model_final_f97cb7.pkl", 38.4),
    "COCO-Detection/faster_rcnn_R_50_DC5_3x": Entry("137849425/model_final_68d202.pkl", 39.0),
    "COCO-Detection/faster_rcnn_R_50_FPN_3x": Entry("137849458/model_final_280758.pkl", 40.2),
    "COCO-Detection/faster_rcnn_R_101_C4_3x": Entry("138204752/model_final_298dad.pkl", 41.1),
    "COCO-Detection/faster_rcnn_R_101_DC5_3x": Entry("138204841/model_final_3e0943.pkl", 40.6),
    "COCO-Detection/faster_rcnn_R_101_FPN_3x": Entry("137851257/model_final_f6e8b1.pkl", 42.0),
    "COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x": Entry("139173657/model_final_68b088.pkl", 43.0),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x": Entry("137259246/model_final_9243eb.pkl", 36.8, 32.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_1x": Entry("137260150/model_final_4f86c3.pkl", 38.3, 34.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x": Entry("137260431/model_final_a54504.pkl", 38.6, 35.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x": Entry("137849525/model_final_4ce675.pkl", 39.8, 34.4),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_3x": Entry("137849551/model_final_84107b.pkl", 40.0, 35.9),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x": Entry("137849600/model_final_f10217.pkl", 41.0, 37.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_C4_3x": Entry("138363239/model_final_a2914c.pkl", 42.6, 36.7),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_DC5_3x": Entry("138363294/model_final_0464b7.pkl", 41.9, 37.3),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x": Entry("138205316/model_final_a3ec72.pkl", 42.9, 38.6),
    "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x": Entry("139653917/model_final_2d9806.pkl", 44.3, 39.5),
    "Misc/cascade_mask_rcnn_R_50_FPN_1x": Entry("138602847/model_final_e9d89b.pkl", 42.1, 36.4),
    "Misc/cascade_mask_rcnn_R_50_FPN_3x": Entry("144998488/model_final_480dd8.pkl", 44.3, 38.5),
    "new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ": Entry("42047764/model_final_bb69de.pkl", 44.6, 40.3),
    "new_baselines/mask_rcnn_R_50_FPN_200ep_LSJ": Entry("42047638/model_final_89a8d3.pkl", 46.3, 41.7),
    "new_baselines/mask_rcnn_R_50_FPN_400ep_LSJ": Entry("42019571/model_final_14d201.pkl", 47.4, 42.5),
    "new_baselines/mask_rcnn_R_101_FPN_100ep_LSJ": Entry("42025812/model_final_4f7b58.pkl", 46.4, 41.6),
    "new_baselines/mask_rcnn_R_101_FPN_200ep_LSJ": Entry("42131867/model_final_0bb7ae.pkl", 48.0, 43.1),
    "new_baselines/mask_rcnn_R_101_FPN_400ep_LSJ": Entry("42073830/model_final_f96b26.pkl", 48.9, 43.7),
}
