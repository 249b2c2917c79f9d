#!/usr/bin/env bash
# reverse-geocode names a town for a place that is not the nearest of its own list, for a third of the places in Scandinavia.
#
# It measures in degrees as if they were lengths. At 65 degrees north a degree of longitude is 47 km and one of latitude 111, so
# a town 165 km to the north can win against one 69 km to the west, and 4 of 100 places get a town of another country. At
# the equator nothing is wrong, which is why tests with a few well-known cities pass. Photos are named by such towns. Here
# imgsearch/places/towns.py measures on the ball, and tests/places/test_names.py holds it to every town one by one.
# Source: reverse-geocode 1.6.6, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    reverse-geocode==1.6.6 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import reverse_geocode

print("reverse-geocode", version("reverse-geocode"))
towns = reverse_geocode.GeocodeData()._locations  # the list that it looks into
degrees = np.array([(town["latitude"], town["longitude"]) for town in towns])


def on_ball(places):
    north, east = np.radians(places).T
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)


BALL = on_ball(degrees)


def distances(place):
    """Kilometres to every town."""
    return 6371 * np.arccos(np.clip(BALL @ on_ball(place), -1, 1))


def compared(south, north):
    """200 places between two latitudes: how many are named by a farther town, how many by one of another country."""
    draw = np.random.default_rng(1)
    places = np.stack([draw.uniform(south, north, 200), draw.uniform(10, 28, 200)], axis=1)
    farther = abroad = 0
    for place, told in zip(places, reverse_geocode.search([tuple(each) for each in places]), strict=True):
        km = distances(place)
        same = (degrees == (told["latitude"], told["longitude"])).all(axis=1)
        nearest = towns[int(km.argmin())]
        if km[same].min() > km.min() + 0.1:
            farther += 1
            abroad += nearest["country_code"] != told["country_code"]
    return farther, abroad


scandinavia, equator = compared(60, 70), compared(-5, 5)
for name, (farther, abroad) in (("60 to 70 degrees north", scandinavia), ("5 degrees around the equator", equator)):
    print(f"{name}: of 200 places {farther} got a town that is not the nearest, {abroad} of these one of another country")
place = np.array([65.62, 15.5])
told = reverse_geocode.get(tuple(place))
km = distances(place)
given = km[(degrees == (told["latitude"], told["longitude"])).all(axis=1)].min()
nearest = towns[int(km.argmin())]["city"]
print(f"65.62 N 15.5 E: {told['city']}, {given:.0f} km away; {nearest} is {km.min():.0f} km away")
as_found = scandinavia[0] > 40 and scandinavia[1] >= 2 and equator[0] <= 2 and given > km.min() + 50
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: farther towns win in the north"
