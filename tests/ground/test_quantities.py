from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard.quantities import QuantityError, amount, canonical, equal, whole

MEASURED = {
    "1000": "1k", "1e3": "1e3", "12e2": "1200", "1.5e3": "1500", "2e10": "20e9", "0.1": "100m", "1500m": "1500m",
    "1000m": "1", "1024Mi": "1Gi", "0.5Gi": "512Mi", "0.5Ki": "512", "1.5Ki": "1536", "1536": "1536", "30Mi": "30Mi",
    "31457280": "31457280", "0.0": "0", "1000000": "1M", "1234567": "1234567", "1024Ki": "1Mi", "1000Ki": "1000Ki",
    "1.2Ti": "1319413953331200m", "0.3Mi": "314572800m", ".5": "500m", "10.50": "10500m", "1.25Gi": "1280Mi",
    "1050m": "1050m", "0.0005k": "500m", "100e-2": "1",
}  # fmt: skip
"""What kube-apiserver 1.36 answered to a ResourceQuota with these quantities."""


@pytest.mark.parametrize(("given_text", "stored"), MEASURED.items())
def test_quantities_are_written_as_a_server_stores_them(given_text: str, stored: str) -> None:
    assert canonical(given_text) == stored
    assert canonical(stored) == stored


QUANTITIES = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.integers(0, 10**12) | st.decimals(0, 10**6, places=3),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E2", "e-1"]),
)


@given(QUANTITIES)
def test_writing_a_quantity_keeps_its_value(text: str) -> None:
    assert amount(canonical(text)) == amount(text)
    assert canonical(canonical(text)) == canonical(text)


@given(QUANTITIES, QUANTITIES)
def test_quantities_are_equal_by_value(one: str, other: str) -> None:
    assert equal(one, other) is (amount(one) == amount(other))
    assert equal(one, canonical(one))


@given(st.integers(0, 10**15))
def test_a_number_is_read_back(number: int) -> None:
    assert whole(canonical(number)) == number
    assert amount(number) == Decimal(number)


@pytest.mark.parametrize("text", ["", "lots", "15 Mi", "1Xi", "1k5", "--1", None, True, [], "1e", "Mi"])
def test_what_is_no_quantity_is_compared_as_text(text: object) -> None:
    assert whole(text) is None
    assert equal(text, text)
    assert not equal(text, "1k")
    with pytest.raises(QuantityError):
        canonical(text)
