"""BLIP-2's ViT on OpenVINO, in float32, bfloat16 and int8, for CPUs."""
