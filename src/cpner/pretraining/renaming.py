"""Names of entity types while pretraining: coarse groups and other words, so that a backbone reads options.

A corpus calls a type by one name; users call it as they like. Types are therefore renamed by a synonym now and then,
or merged into their coarse group (all athletes and actors of a sentence become "person"), wholly or in part.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Coarse group of fine types; used where a file has no group of its own and lists the types of the group completely.
GROUPS = {
    "person": (
        "activist, actor, artist, artist or author, astronaut, athlete, businessperson, criminal, explorer, "
        "film director, lawyer, monarch or noble, musical artist, other person, person, politician, "
        "religious figure, religious leader, scholar, scientist, soldier, sports manager, writer, user name"
    ),
    "organization": (
        "aerospace manufacturer, band, band or performing group, broadcaster, car manufacturer, company, "
        "educational institution, government agency, media organization, military unit, newspaper, organization, "
        "other organization, political party, private company, public company, record label, "
        "religious organization, school, sports league, sports team, university"
    ),
    "location": (
        "airport, body of water, building, city, country, district, facility, geopolitical entity, "
        "historical state, hospital, hotel, human settlement, island, library, location, mountain, museum, "
        "other location, park, region, restaurant, road or railway, sports facility, stadium, state or province, "
        "theater, transport station"
    ),
    "work": (
        "album, book, broadcast program, comics or anime, film, film or television work, magazine, musical work, "
        "other work of art, painting, play, poem, song, television series, video game, work of art, written work"
    ),
    "event": ("disaster, election, event, festival, military conflict, protest, sports event"),
    "product": (
        "aircraft, aircraft or spacecraft, car, clothing, computer hardware, drink, food, food or drink, game, "
        "other product, ship, software, train, vehicle, weapon"
    ),
}
GROUP_OF = {fine: group for group, names in GROUPS.items() for fine in names.split(", ")}

SYNONYMS = {
    "academic discipline": ["discipline", "field of study", "research field", "field"],
    "academic journal": ["journal", "scientific journal"],
    "actor": ["actress", "performer"],
    "airport": ["airport name"],
    "album": ["music album", "record"],
    "algorithm": ["method", "technique"],
    "artist": ["painter", "creator"],
    "artist or author": ["artist", "author", "creator"],
    "astronomical object": ["celestial body", "star or planet"],
    "athlete": ["player", "sportsperson"],
    "award": ["prize", "honour"],
    "band": ["musical group", "music group", "ensemble"],
    "band or performing group": ["band", "musical group"],
    "book": ["novel", "title"],
    "broadcast program": ["show", "television program"],
    "chemical": ["chemical substance", "compound"],
    "chemical compound": ["compound", "chemical"],
    "chemical element": ["element"],
    "chemical substance": ["chemical", "substance"],
    "city": ["town", "place"],
    "company": ["corporation", "business", "firm"],
    "country": ["nation", "state"],
    "disease": ["illness", "medical condition"],
    "educational institution": ["university", "school", "university or school"],
    "election": ["vote", "election name"],
    "event": ["happening", "named event"],
    "fictional character": ["character"],
    "film": ["movie", "film title", "title"],
    "film director": ["director", "filmmaker"],
    "film or television work": ["film", "movie", "title"],
    "food": ["dish", "ingredient"],
    "food or drink": ["food", "dish"],
    "gene or gene product": ["gene", "gene or protein"],
    "geopolitical entity": ["country or city", "place", "political entity"],
    "government agency": ["agency", "institution"],
    "human settlement": ["city", "town", "place"],
    "language": ["human language"],
    "law": ["legislation", "act"],
    "literary genre": ["genre", "style"],
    "living thing": ["species", "organism"],
    "location": ["place", "geographic location", "area"],
    "magazine": ["periodical"],
    "medication or vaccine": ["drug", "medicine"],
    "military conflict": ["war", "battle"],
    "miscellaneous": ["other", "other entity"],
    "music genre": ["genre", "style of music"],
    "musical artist": ["musician", "singer", "composer"],
    "musical instrument": ["instrument"],
    "musical work": ["song", "song or album", "composition"],
    "organization": ["organisation", "institution", "group"],
    "person": ["people", "human", "name of a person"],
    "poem": ["poetry"],
    "political party": ["party"],
    "politician": ["statesman", "political leader"],
    "product": ["good", "brand product"],
    "programming language": ["computer language"],
    "protein": ["protein name"],
    "restaurant": ["restaurant name", "eatery"],
    "road or railway": ["road", "route"],
    "scholar": ["researcher", "academic", "scientist"],
    "scientist": ["researcher", "scholar"],
    "simple chemical": ["chemical", "small molecule"],
    "software": ["program", "application"],
    "song": ["track", "musical piece"],
    "species": ["organism", "taxon"],
    "sports team": ["team", "club"],
    "taxon": ["species", "organism"],
    "television series": ["show", "tv series"],
    "theory or theorem": ["theory", "theorem"],
    "treaty or law": ["law", "treaty"],
    "university": ["college", "higher education institution"],
    "vehicle": ["means of transport"],
    "work": ["work of art", "creative work"],
    "writer": ["author", "novelist", "poet"],
    "written work": ["book", "literary work", "text"],
}


def coarsen(
    fine: Iterable[str], groups: dict[str, str], rng: np.random.Generator, *, merged: float, mixed: float
) -> dict[str, str]:
    """Choose for each group whether its types stay fine, become the group, or some of both.

    Args:
        fine: a file's types.
        groups: the group of each type that has one.
        merged: probability that a group's types all take the group's name.
        mixed: probability that some do, so that "person" means any person that is none of the named kinds.

    Returns:
        What each type is called.
    """
    drawn: dict[str, float] = {}
    names = {}
    for type_ in fine:
        group = groups.get(type_)
        share = drawn.setdefault(group, rng.random()) if group else 1.0
        merge = share < merged or (share < merged + mixed and rng.random() < 0.6)
        names[type_] = group if group and merge else type_
    return names


def rename(names: Iterable[str], rng: np.random.Generator, rate: float) -> dict[str, str]:
    """Call some types by a synonym; no two types ever get the same name."""
    names = list(names)
    taken = set(names)
    result = {}
    for name in names:
        result[name] = name
        if name in SYNONYMS and rng.random() < rate:
            other = SYNONYMS[name][rng.integers(len(SYNONYMS[name]))]
            if other not in taken:
                taken.add(other)
                result[name] = other
    return result
