"""Towns by name: any language and spelling, the likely one of several, and words for what is no town."""

from __future__ import annotations

import numpy as np
import pytest

from imgsearch.errors import ImgsearchError, UsageError
from imgsearch.places import find_town, known_towns
from imgsearch.search.query.parser import parse


@pytest.mark.parametrize(
    ("asked", "name", "code"),
    [
        ("Lisbon", "Lisbon", "PT"),
        ("lisboa", "Lisbon", "PT"),
        ("Лиссабон", "Lisbon", "PT"),
        ("東京", "Tokyo", "JP"),
        ("القاهرة", "Cairo", "EG"),
        ("서울", "Seoul", "KR"),
        ("दिल्ली", "Delhi", "IN"),
        ("NYC", "New York City", "US"),
        ("new-york", "New York City", "US"),  # a state too
        ("São Paulo", "São Paulo", "BR"),
        ("SAO PAULO", "São Paulo", "BR"),
        ("Muenchen", "Munich", "DE"),
        ("Lodz", "Łódź", "PL"),
        ("Reykjavi\u0301k", "Reykjavík", "IS"),  # NFD
        ("Singapore", "Singapore", "SG"),  # a country too
        ("Neustadt", "Neustadt", "DE"),  # a former name of the larger Baia Mare
        ("Paris", "Paris", "FR"),
        ("Paris, Texas", "Paris", "US"),
        ("paris,tx", "Paris", "US"),
        ("Paris, Texas, USA", "Paris", "US"),
        ("London, Canada", "London", "CA"),
        ("London, uk", "London", "GB"),
        ("Saint-Denis, France", "Saint-Denis", "FR"),
    ],
)
def test_town_is_found_by_a_name_in_any_spelling(asked: str, name: str, code: str) -> None:
    found = find_town(asked).town
    assert (found.name, found.code) == (name, code)


def test_note_names_another_town_that_its_own_words_find() -> None:
    for asked in ("Paris", "Springfield", "Saint-Denis", "Frankfurt"):
        found = find_town(asked)
        note = found.note(asked)
        assert note and found.town.whole_name in note and f"{found.others[0].whole_name}: near:" in note
        (clause,) = parse(note.rpartition(" ")[2] if note[-1] != '"' else note[note.index("near:") :]).filters.clauses
        town = next(one for one in found.others if abs(one.latitude - clause.value[0]) < 0.006)
        assert town.whole_name == found.others[0].whole_name
    assert find_town("Лиссабон").note("Лиссабон") is None


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("Portugal", "near:Portugal names a country or a state", "near:Lisbon"),
        ("Texas", "near:Texas names a country or a state", "near:Lisbon"),
        ("Lisbonn", "did you mean Lisbon", "in quotes"),
        ("Kopenhagn", "did you mean", "in quotes"),
        ("Qzxwv", "no place is called 'Qzxwv'", "degrees"),
        ("Paris, Japan", "no place is called 'Paris, Japan'", 'near:"Paris, France"'),
        ("x" * 5000, "no place is called", "degrees"),
    ],
)
def test_unknown_name_is_answered_with_what_there_is(asked: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_town(asked)
    assert message in caught.value.message and hint in caught.value.hint and len(caught.value.message) < 200


def test_query_takes_towns_and_degrees_with_and_without_kilometres() -> None:
    values = {
        text: parse(f'near:"{text}"').filters.clauses[0].value
        for text in ("48.86,2.35,5", "48.86, 2.35", "-90,180,1", "Lisbon", "Lisbon, 3 km", "Lisbon,0.5")
    }
    assert values["48.86,2.35,5"] == values["48.86, 2.35"] == (48.86, 2.35, 5)
    assert values["-90,180,1"] == (-90, 180, 1)
    assert [values[text][2] for text in ("Lisbon", "Lisbon, 3 km", "Lisbon,0.5")] == [20, 3, 0.5]
    assert parse("a boat -near:Paris").notes and parse("a boat -near:Paris").filters.clauses[0].unwanted
    for wrong in (
        "91,0,5",
        "0,181,5",
        "1,2,3,4",
        "1,2,0",
        "nan,0,5",
        "inf,2,3",
        ",5",
        ",",
        "Lisbon,0",
        "5km",
        "1,2,40000",
    ):
        with pytest.raises(ImgsearchError):
            parse(f"near:{wrong}")


def brute_force(north: float, east: float) -> tuple[str, float]:
    """By the law of cosines over all towns, with the reach of each."""
    towns = known_towns()
    lat, lon = np.radians(towns.latitude), np.radians(towns.longitude)
    cosine = np.sin(lat) * np.sin(np.radians(north))
    cosine += np.cos(lat) * np.cos(np.radians(north)) * np.cos(lon - np.radians(east))
    far = 6371.0088 * np.arccos(np.clip(cosine, -1, 1))
    holding = np.flatnonzero(far <= np.sqrt(towns.population) / 100)
    row = int(holding[towns.population[holding].argmax()]) if len(holding) else int(far.argmin())
    return towns.names[row], float(far[row])


def test_place_is_named_as_all_towns_one_by_one_say() -> None:
    towns = known_towns()
    random = np.random.default_rng(5)
    places = [(38.71, -9.14), (48.80, 2.13), (-17.5, 179.99), (-17.5, -179.99), (69.5, 25), (89.9, 10), (-77.85, 166.7)]
    places += zip(random.uniform(-70, 80, 25), random.uniform(-180, 180, 25), strict=True)
    seen = 0
    for north, east in places:
        name, far = brute_force(north, east)
        found = towns.around(north, east)
        if far > 200:
            assert found is None
        else:
            seen += 1
            assert found is not None and (found.town.name == name or abs(found.kilometres - far) < 0.01)
    assert seen > 5
    assert towns.around(38.71, -9.14).said == "Lisbon, Portugal" and towns.around(0, -30) is None


def test_name_that_goes_on_in_the_next_words_wants_quotes() -> None:
    for text in ("San Francisco", "New York", "Los Angeles", "Rio de Janeiro", "Cape Town"):
        with pytest.raises(UsageError) as caught:
            parse(f"near:{text} at night")
        assert f'near:"{text}"' in caught.value.hint
    for text, rest in (("Lisbon", "falls"), ("Oslo", "red boat"), ("東京", "猫")):
        assert parse(f"near:{text} {rest}").description == rest
    for text, told in (("Paris, Texas", (33.6609, 20)), ("Lisbon, 5 km", (38.7251, 5)), ("48.86, 2.35", (48.86, 5))):
        parsed = parse(f"a boat near:{text} at night")
        assert parsed.description == "a boat at night" and parsed.filters.clauses[0].value[::2] == told


def test_degrees_are_read_as_maps_and_people_write_them() -> None:
    for text, place in {
        "48.5N,2.25E": (48.5, 2.25),
        "48.5° S 2.25° W": (-48.5, -2.25),
        "48°30'N 2°15'E": (48.5, 2.25),
        "48°30′36″N, 2°15′0″W": (48.51, -2.25),
        "N48.5 W2.25": (48.5, -2.25),
    }.items():
        for kilometres in ("", ", 3", ",3km"):
            value = parse(f'near:"{text}{kilometres}"').filters.clauses[0].value
            assert value == pytest.approx((*place, 3 if kilometres else 5))
