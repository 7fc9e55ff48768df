"""Counting and listing down-closed sets, against trying all subsets."""

from random import Random

import pytest

from harness.explore.ideals import Component, Order


def random_order(seed):
    """Make a small order: units of one bit, sometimes of two, that need some units before them."""
    random = Random(seed)
    units, needs, bit = [], [], 0
    density = random.choice((0.1, 0.3, 0.7))
    for _ in range(random.randrange(1, 9)):
        width = random.choice((1, 1, 1, 2))
        units.append(((1 << width) - 1) << bit)
        bit += width
        needs.append(sum(other for other in units[:-1] if random.random() < density))
    return units, needs


def by_definition(units, needs):
    found = set()
    for chosen in range(1 << len(units)):
        taken = sum(unit for k, unit in enumerate(units) if chosen >> k & 1)
        if all(not need & ~taken for k, need in enumerate(needs) if chosen >> k & 1):
            found.add(taken)
    return found


@pytest.mark.parametrize("seed", range(150))
def test_sets_and_their_count_agree_with_the_definition(seed):
    units, needs = random_order(seed)
    expected = by_definition(units, needs)
    order = Order(units, needs)
    listed = list(order.sets())
    assert len(listed) == len(set(listed)) == order.count == len(expected)
    assert set(listed) == expected
    whole = Component(units, needs)
    assert set(whole.sets()) == expected
    assert whole.count == len(expected)


@pytest.mark.parametrize("seed", range(60))
def test_closures_and_draws_agree_with_the_definition(seed):
    units, needs = random_order(seed)
    expected = by_definition(units, needs)
    order, random = Order(units, needs), Random(seed)
    everything = sum(units)
    for unit in units:
        assert order.below(unit) == min(
            (taken for taken in expected if not unit & ~taken), key=int.bit_count
        )
        # What remains without a unit is the largest set that does without it.
        assert everything & ~order.above(unit) == max(
            (taken for taken in expected if not unit & taken), key=int.bit_count
        )
    drawn = {order.draw(random) for _ in range(3000)}
    assert drawn <= expected
    assert len(expected) > 40 or drawn == expected


def test_parts_that_do_not_touch_multiply():
    bits = [1 << k for k in range(200)]
    assert Order(bits, [0] * 200).count == 2**200
    chain = Order(bits, [0, *bits[:-1]])
    assert chain.count == 201
    assert len(chain.components) == 1
    assert list(Order([], []).sets()) == [0]


def test_a_wide_order_is_counted_without_listing_it():
    # One name that waits for twenty pages, as a rename may: 2**20 sets without it, and one.
    pages = [1 << k for k in range(20)]
    order = Order([*pages, 1 << 20], [0] * 20 + [sum(pages)])
    assert order.count == 2**20 + 1
