"""How keys are written."""

from __future__ import annotations

import pytest

from stages.analysis.names import KEY_NAMES, camelot, key_index, open_key


def test_each_of_the_24_keys_is_read_back_as_itself():
    assert [key_index(name) for name in KEY_NAMES] == list(range(24))


def test_enharmonic_spellings_are_one_key():
    assert key_index("Db minor") == key_index("C# minor")
    assert key_index("Cb major") == key_index("B major")


@pytest.mark.parametrize("text", ["", "H major", "C", "C dorian", "C! major", "c major"])
def test_what_is_not_a_key_is_refused(text):
    with pytest.raises(ValueError, match="not a key"):
        key_index(text)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("C major", ("8B", "1d")),
        ("A minor", ("8A", "1m")),
        ("G major", ("9B", "2d")),
        ("F# major", ("2B", "7d")),
        ("Eb minor", ("2A", "7m")),
        ("Db minor", ("12A", "5m")),
        ("F major", ("7B", "12d")),
    ],
)
def test_camelot_and_open_key_codes_follow_the_circle_of_fifths(name, codes):
    assert (camelot(key_index(name)), open_key(key_index(name))) == codes


def test_relative_keys_share_their_hour():
    for tonic in range(12):
        assert camelot(tonic)[:-1] == camelot(12 + (tonic + 9) % 12)[:-1]
