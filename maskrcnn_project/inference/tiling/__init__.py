"""Large images in overlapping tiles: ``tiles`` cuts, ``tile_parts`` finds what is one object, ``tile_merge`` joins."""
