import pytest

from training.batching import epoch_batches, microbatches

LENGTHS = [(7 * row) % 31 + 1 for row in range(100)]


def test_every_row_comes_once_in_an_epoch() -> None:
    batches = epoch_batches(LENGTHS, 8, seed=1, epoch=0)

    assert sorted(row for batch in batches for row in batch) == list(range(100))
    assert sorted(map(len, batches)) == [4] + [8] * 12


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    first = epoch_batches(LENGTHS, 8, seed=1, epoch=0)

    assert first == epoch_batches(LENGTHS, 8, seed=1, epoch=0)
    assert first != epoch_batches(LENGTHS, 8, seed=1, epoch=1)
    assert first != epoch_batches(LENGTHS, 8, seed=2, epoch=0)


def test_rows_of_one_batch_have_like_lengths() -> None:
    def padding(batches: list[list[int]]) -> int:
        return sum(
            max(LENGTHS[r] for r in b) * len(b) - sum(LENGTHS[r] for r in b) for b in batches
        )

    plain = [list(range(start, min(start + 8, 100))) for start in range(0, 100, 8)]

    assert padding(epoch_batches(LENGTHS, 8, seed=1, epoch=0)) < 0.4 * padding(plain)


@pytest.mark.parametrize("rows", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_a_step_without_gap_or_overlap(
    rows: int, size: int, world_size: int
) -> None:
    batch = list(range(50, 50 + rows))

    parts = [microbatches(batch, size, rank=r, world_size=world_size) for r in range(world_size)]

    counted = [row for part in parts for micro in part if micro.counts for row in micro.rows]
    assert sorted(counted) == batch
    assert len({len(part) for part in parts}) == 1
    assert all(0 < len(micro.rows) <= size for part in parts for micro in part)
