"""A model so small that its training can be tested."""

from imgsearch.training.build import Sizes

TINY = Sizes(
    image_size=32,
    patch_size=8,
    vision_width=32,
    vision_layers=1,
    vision_heads=2,
    qformer_width=32,
    qformer_layers=1,
    qformer_heads=2,
    qformer_intermediate=64,
    query_tokens=4,
    dims=16,
)
