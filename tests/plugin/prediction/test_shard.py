from maskrcnn_project.prediction.shard import Shard, join_shards


def test_shares_are_disjoint_and_together_all():
    items = list(range(7))
    parts = [Shard(rank, 3).of(items) for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]
    assert [[item for item in items if Shard(rank, 3).has(item)] for rank in range(3)] == parts
    assert Shard().of(items) == items


def test_one_process_is_alone(monkeypatch):
    for environment in ({}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": "4"}):  # the last: set by a scheduler
        for name in ("WORLD_SIZE", "RANK"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with join_shards() as shard:
            assert shard == Shard(0, 1) and shard.is_first and shard.gathered([1]) == [1]
            shard.wait()
