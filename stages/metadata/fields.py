"""Tags under the names of the library: one name for what each format calls otherwise, values of one kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from stages.metadata.tag_reader import RawTags
from stages.metadata.text import UNREADABLE, cleaned

_LONGEST, _LONGEST_OF_LINES = 1_000, 10_000
_MOST_VALUES = 20
_MOST_OTHERS, _MOST_VALUES_OF_OTHERS, _LONGEST_NAME, _LONGEST_OTHER = 64, 4, 80, 300
_MOST_WARNINGS, _LONGEST_WARNING = 50, 200
_FASTEST_BPM = 1_000.0

# Field: the squeezed names it goes by, the likeliest first. ID3's own where a reader leaves them as they are.
_TEXTS: dict[str, tuple[str, ...]] = {
    "title": ("title", "tit2"),
    "artist": ("artist", "tpe1", "author"),
    "album": ("album", "talb", "albumtitle"),
    "albumartist": ("albumartist", "tpe2"),
    "genre": ("genre", "tcon"),
    "date": ("date", "tdrc", "year", "tyer"),
    "composer": ("composer", "tcom"),
    "key": ("initialkey", "tkey", "key"),
    "isrc": ("isrc", "tsrc"),
    "label": ("label", "recordlabel", "organization", "publisher", "tpub", "ipub"),
    "catalog_number": ("catalognumber", "catalogno", "catalog", "labelno"),
    "barcode": ("barcode", "upc", "ean"),
    "remixer": ("remixer", "tpe4", "mixartist", "modifiedby"),
    "conductor": ("conductor", "tpe3"),
    "lyricist": ("lyricist", "text", "writer"),
    "grouping": ("grouping", "contentgroup", "contentgroupdescription", "tit1"),
    "subtitle": ("subtitle", "tit3", "version"),
    "mood": ("mood", "tmoo"),
    "language": ("language", "tlan"),
    "original_date": ("originaldate", "originalyear", "originalreleasetime", "tdor", "tory"),
    "copyright": ("copyright", "tcop"),
    "url": ("url", "website", "woar"),
    "encoded_by": ("encodedby", "tenc"),
    "encoder": ("encoder", "encodersettings", "encodingsettings", "tsse"),
}
_OF_LINES: dict[str, tuple[str, ...]] = {
    "comment": ("comment", "comments", "description"),
    "lyrics": ("lyrics", "unsyncedlyrics", "uslt"),
}
_ALL_OF = {"artist": "artists", "genre": "genres", "composer": "composers"}
_NUMBERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "track": (("track", "tracknumber", "trck", "iprt"), ("tracktotal", "totaltracks", "trackc")),
    "disc": (("disc", "discnumber", "disk", "tpos", "partofset"), ("disctotal", "totaldiscs", "discc")),
}
_BPM = ("bpm", "tbpm", "tmpo", "beatsperminute", "fbpm")
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|2[01]\d\d)(?!\d)")
_NUMBER_OF = re.compile(r"\s*(\d{1,6})\s*(?:(?:/|of)\s*(\d{1,6})\s*)?$")

Fields = dict[str, Any]


def fields_of(tags: RawTags) -> tuple[Fields, list[str]]:
    """The tags as a document, and what was not readable of them.

    Returns:
        title, artist, album, albumartist, genre, composer, comment, key, isrc, label, date (as it is written) and more
        texts; artists, genres and composers, all of them, where there are several; year, track, track_total, disc,
        disc_total (int); bpm (float); `other`, a list of texts by name. What is not there is left out.
    """
    reading = _Reading(tags)
    for field, names in _TEXTS.items():
        reading.text(field, names, _LONGEST)
    for field, names in _OF_LINES.items():
        reading.text(field, names, _LONGEST_OF_LINES, lines=True)
    for field, (names, totals) in _NUMBERS.items():
        reading.number(field, names, totals)
    reading.bpm()
    reading.year()
    reading.others()
    return reading.fields, [cleaned(each, _LONGEST_WARNING) for each in reading.warnings[:_MOST_WARNINGS]]


class _Reading:
    """Takes values out of the raw tags, field by field."""

    def __init__(self, tags: RawTags) -> None:
        self._left = {name: values for name, values in tags.values.items() if values}
        self._names = tags.names
        self.fields: Fields = {}
        self.warnings = list(tags.warnings)

    def text(self, field: str, names: Sequence[str], limit: int, *, lines: bool = False) -> None:
        values = [cleaned(value, limit, lines=lines) for value in self._take(names)]
        values = [value for value in dict.fromkeys(values) if value][:_MOST_VALUES]
        if not values:
            return
        self.fields[field] = values[0]
        if field in _ALL_OF and len(values) > 1:
            self.fields[_ALL_OF[field]] = values
        if UNREADABLE in values[0]:
            self.warnings.append(f"{field}: holds bytes that are no text in the encoding stated for it")
        if len(values[0]) == limit:
            self.warnings.append(f"{field}: cut to {limit} characters")

    def number(self, field: str, names: Sequence[str], totals: Sequence[str]) -> None:
        """`3`, or `3/12`, or 3 with the total under a name of its own."""
        values, counts = self._take(names), self._take(totals)
        if values:
            found = _NUMBER_OF.match(values[0])
            if found is None:
                self.warnings.append(f"{field}: not a number")
                return
            counts = [found[2], *counts] if found[2] else counts
            if int(found[1]) > 0:
                self.fields[field] = int(found[1])
        if counts and (total := _NUMBER_OF.match(counts[0])) and int(total[1]) > 0:
            self.fields[f"{field}_total"] = int(total[1])

    def bpm(self) -> None:
        values = self._take(_BPM)
        if not values:
            return
        try:
            bpm = float(values[0].strip().replace(",", "."))
        except ValueError:
            self.warnings.append("bpm: not a number")
            return
        if 0 < bpm < _FASTEST_BPM:
            self.fields["bpm"] = round(bpm, 3)
        elif bpm != 0:  # players write 0 for what they do not know
            self.warnings.append("bpm: not a tempo")

    def year(self) -> None:
        found = _YEAR.search(self.fields.get("date", ""))
        if found is not None:
            self.fields["year"] = int(found[1])

    def others(self) -> None:
        others: dict[str, list[str]] = {}
        for name, values in self._left.items():
            shown = cleaned(self._names[name], _LONGEST_NAME)
            kept = [text for value in values[:_MOST_VALUES_OF_OTHERS] if (text := cleaned(value, _LONGEST_OTHER))]
            if shown and kept:
                others[shown] = kept
        if len(others) > _MOST_OTHERS:
            self.warnings.append(f"other: {len(others)} tags, of which {_MOST_OTHERS} are kept")
        if others:
            self.fields["other"] = dict(list(others.items())[:_MOST_OTHERS])

    def _take(self, names: Sequence[str]) -> list[str]:
        """The values under the first of the names that has any; the rest are not taken for other tags."""
        found = [values for name in names if (values := self._left.pop(name, None))]
        return found[0] if found else []
