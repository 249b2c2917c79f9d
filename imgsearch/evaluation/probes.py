"""Texts to ask a library of which nothing is known: some it will have pictures of, many it will not."""

from __future__ import annotations

import random

from imgsearch.model import known_models

_SUBJECTS = (
    "a dog", "a cat", "a horse", "a cow", "sheep", "a bird on a branch", "an elephant", "a lion", "a giraffe", "fish",
    "a butterfly", "a bee on a flower", "a spider", "a baby", "children playing", "a bride and groom", "an old man",
    "a woman with a hat", "a crowd of people", "a football match", "a person on a bicycle", "a skier", "a surfer",
    "a swimming pool", "a mountain lake", "a waterfall", "a forest path", "a desert", "a beach at sunset",
    "waves in the sea", "a snowy street", "fireworks", "a rainbow", "the moon", "stars at night", "a storm cloud",
    "a city skyline", "a church", "a castle", "a bridge over a river", "a lighthouse", "a windmill", "a statue",
    "a staircase", "a red door", "a kitchen", "a bedroom", "a bathroom", "an office desk", "a bookshelf", "a fireplace",
    "a birthday cake", "a cup of coffee", "a plate of pasta", "a pizza", "a salad", "a bowl of fruit",
    "a glass of wine", "a loaf of bread", "ice cream", "vegetables at a market", "a red car", "a lorry", "a motorcycle",
    "a bus", "a train", "an aeroplane in the sky", "a hot air balloon", "a sailing boat", "a fishing boat", "a tent",
    "a camp fire", "a guitar", "a piano", "a concert stage", "a television", "a telephone", "a laptop computer",
    "a page of text", "a map", "a traffic light", "a road sign", "a clock", "a pair of shoes", "a wedding dress",
    "a suitcase", "a Christmas tree", "a pumpkin", "a garden with roses", "sunflowers", "a cactus", "autumn leaves",
    "a vineyard", "a tractor in a field", "a factory", "a crane at a building site", "a shop window", "a school class",
    "a hospital room", "an X-ray picture", "a painting", "a cartoon", "a drawing of a house", "a microscope",
    "a rocket launch", "an astronaut", "a robot", "a dinosaur skeleton", "a penguin", "a whale", "a shark",
)  # fmt: skip
_ADDED = ("", " in the snow", " at night", " in black and white", " seen from above")


def everyday_texts(count: int, seed: int = 0) -> list[str]:
    """``count`` descriptions of everyday things, most of which one library lacks."""
    every = [subject + added for subject in _SUBJECTS for added in _ADDED]
    return random.Random(f"everyday:{seed}").sample(every, min(count, len(every)))


def scene_texts(count: int, seed: int = 0) -> list[str]:
    """``count`` captions in the words of the drawn scenes, for the small model, which knows no others."""
    from imgsearch.scenes.captions import any_statement, say
    from imgsearch.scenes.graph import Domain, sample_scene

    rng = random.Random(f"scenes:{seed}")
    return [say(any_statement(sample_scene(rng, Domain()), rng), rng.getrandbits(32)) for _ in range(count)]


def probe_texts(model_name: str, count: int, seed: int = 0) -> list[str]:
    """Up to ``count`` texts in words that the library's model knows: the small one's are the drawn scenes'."""
    drawn = any(model.name == model_name and model.subject == "drawn scenes" for model in known_models())
    return (scene_texts if drawn else everyday_texts)(count, seed)
