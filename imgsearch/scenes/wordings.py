"""The wordings of questions about scenes; `imgsearch.scenes.questions` fills the gaps."""

from __future__ import annotations

import re

WHAT_ALL = (
    "What is in the picture?",
    "What is in this picture?",
    "What is in the image?",
    "What is in the photo?",
    "What do you see?",
    "What can you see?",
    "What can be seen here?",
    "What does the picture show?",
    "What does this picture show?",
    "What is shown in the picture?",
    "What is this?",
    "What is it?",
    "What is there?",
    "What objects are in the picture?",
    "What things are there?",
    "What kind of thing is in the picture?",
    "Which objects are there?",
    "What is visible in the scene?",
    "What does the photograph show?",
)
WHAT_PLACE = (
    "What is {place}?",
    "What is {place} of the picture?",
    "What is {place} of the image?",
    "What do you see {place}?",
    "What can be seen {place}?",
    "What stands {place}?",
    "Which object is {place}?",
    "What object is {place}?",
    "Which thing is {place}?",
    "What kind of thing is {place}?",
    "What kind of object is {place}?",
)
WHAT_RELATION = (
    "What is {relation} the {other}?",
    "What do you see {relation} the {other}?",
    "What stands {relation} the {other}?",
    "Which object is {relation} the {other}?",
    "Which thing is {relation} the {other}?",
    "What object is {relation} the {other}?",
)
WHAT_COLOUR = (
    "What is {colour}?",
    "What thing is {colour}?",
    "Which thing is {colour}?",
    "Which object is {colour}?",
    "What object is {colour}?",
    "What {colour} thing is there?",
    "What {colour} object do you see?",
    "What is the {colour} thing?",
    "What is the {colour} object?",
)
COLOUR = (
    "What colour {is} the {noun}?",
    "What color {is} the {noun}?",
    "Which colour {is} the {noun}?",
    "Which color {is} the {noun}?",
    "What is the colour of the {noun}?",
    "What is the color of the {noun}?",
    "What colour {does} the {noun} have?",
    "What color {does} the {noun} have?",
    "The {noun} {is} what colour?",
    "What colour {is} the {noun} in the picture?",
    "What colour {is} the {noun} {place}?",
    "What color {is} the {noun} {place}?",
)
COLOUR_PLACE = (
    "What colour is the thing {place}?",
    "What color is the thing {place}?",
    "What colour is the object {place}?",
    "What color is the object {place}?",
)
COUNT = (
    "How many {plural} are there?",
    "How many {plural} are there in the picture?",
    "How many {plural} are in the picture?",
    "How many {plural} are in this picture?",
    "How many {plural} are in the image?",
    "How many {plural} do you see?",
    "How many {plural} can you see?",
    "How many {plural} can be seen?",
    "How many {plural} does the picture show?",
    "How many {plural} are shown?",
    "What is the number of {plural}?",
    "Count the {plural}.",
    "How many {colour} {plural} are there?",
    "How many {colour} {plural} do you see?",
    "How many {plural} are {place}?",
)
COUNT_PLACE = (
    "How many things are {place}?",
    "How many objects are {place}?",
    "How many things do you see {place}?",
)
WHERE = (
    "Where {is} the {noun}?",
    "Where {is} the {noun}?",
    "Where {is} the {noun} in the picture?",
    "Where in the picture {is} the {noun}?",
    "Where in the image {is} the {noun}?",
    "Where {is} the {colour} {noun}?",
    "Where do you see the {noun}?",
    "Where can you see the {noun}?",
    "Where {does} the {noun} stand?",
    "In which part of the picture {is} the {noun}?",
    "What is the position of the {noun}?",
    "Where {is} the {noun} located?",
    "Where {is} the {noun} placed?",
)
WHERE_RELATION = (
    "Where {is} the {noun} relative to the {other}?",
    "Where {is} the {noun} compared to the {other}?",
    "Where {does} the {noun} stand relative to the {other}?",
)
WHERE_SETTING = (
    "Where is this?",
    "Where is it?",
    "Where are we?",
    "Where was this taken?",
    "Where was the picture taken?",
    "Where was this picture taken?",
    "Where was this photo taken?",
    "What is the setting?",
    "What is the setting of the picture?",
    "Where does the scene take place?",
    "What is in the background?",
)
EXIST_ONE = (
    "Is there {thing}?",
    "Is there {thing} in the picture?",
    "Is there {thing} in the image?",
    "Do you see {thing}?",
    "Can you see {thing}?",
    "Does the picture show {thing}?",
    "Does this picture show {thing}?",
    "Is {thing} in the picture?",
    "Is there {thing} in this scene?",
)
EXIST_MANY = (
    "Are there {things}?",
    "Are there any {things}?",
    "Are there any {things} in the picture?",
    "Are there {things} in the image?",
    "Do you see {things}?",
    "Do you see any {things}?",
    "Can you see {things}?",
    "Does the picture show {things}?",
)
IS_COLOUR = (
    "{Is} the {noun} {colour}?",
    "{Is} the {noun} {colour}?",
    "{Is} the {noun} in the picture {colour}?",
    "Is the colour of the {noun} {colour}?",
    "Is the color of the {noun} {colour}?",
)
IS_PLACE = (
    "{Is} the {noun} {place}?",
    "{Is} the {noun} {place} of the picture?",
    "{Is} the {colour} {noun} {place}?",
)
IS_SETTING = (
    "Is this {setting}?",
    "Is it {setting}?",
    "Was this taken {setting}?",
    "Was the picture taken {setting}?",
    "{Is} the {noun} {setting}?",
)
IS_RELATION = (
    "{Is} the {noun} {relation} the {other}?",
    "{Is} the {colour} {noun} {relation} the {other}?",
)
_ELSEWHERE = (
    "it they how many are there what colour color where is yes no zero none exactly any question short answer :",
)


def question_words() -> tuple[str, ...]:
    """Every word and mark that a question, its answer or the form around them holds beside the captions' own."""
    tables = [value for value in globals().values() if isinstance(value, tuple)]
    text = " ".join(template for table in tables for template in table)
    return tuple(sorted(set(re.findall(r"[a-z]+|[^\sa-z]", re.sub(r"\{\w+\}", " ", text).lower()))))
