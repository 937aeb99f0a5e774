"""Which scanner made an instance."""

import pytest
from instances import ct_dataset, file_of

from millet.codec.scanner import LONGEST, Scanner, scanner_of


def made_by(**names) -> Scanner:
    """The scanner of an instance with these tags."""
    dataset = ct_dataset(1)
    for keyword, name in names.items():
        setattr(dataset, keyword, name)
    return scanner_of(file_of(dataset))


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ({"Manufacturer": "ACME", "ManufacturerModelName": "One"}, "ACME One"),
        ({"Manufacturer": "Müller & Söhne"}, "Müller & Söhne"),
        ({"ManufacturerModelName": " One "}, "One"),
        ({}, "not stated"),
    ],
)
def test_maker_and_model_are_told_as_they_are_written(names, name):
    """In the character set of the instance; what is not there is left out."""
    assert made_by(**names).name == name


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning", "ignore:The value length:UserWarning")
def test_a_name_is_one_short_line():
    """Whatever a sender wrote."""
    assert made_by(Manufacturer="A\r\n\tB", ManufacturerModelName="x" * 200) == Scanner("A B", "x" * LONGEST)


def test_what_is_no_instance_has_no_scanner():
    """Nor anything cut short."""
    assert scanner_of(b"") == scanner_of(b"\0" * 128 + b"DICM\2\0") == Scanner()
