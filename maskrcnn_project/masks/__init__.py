"""
What a mask is, and what is done with it without looking at pixels.

``run_lengths`` reads COCO's run lengths, ``run_lengths_batch`` many of them at once; ``coding`` turns polygons and
pixels into run lengths and back; ``crop`` cuts annotations to a window; ``spans`` compares the rows of masks;
``mask_in_box`` holds a mask in its ``window``; ``tile_grid`` lays windows over an image; ``detections`` holds what was
found in one image.
"""
