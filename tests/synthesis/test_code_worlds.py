"""The rules of the worlds of code tasks, checked by hand on cases small enough to see through."""

from __future__ import annotations

import itertools
import json
import random
import types
from typing import Any

import numpy as np
import pytest
from code_plays import CODE_FAMILIES, draft, load, play

from mlgym_synth.tasks.suite import TaskFiles


def drawn_with(name: str, **wanted: Any) -> TaskFiles:
    """The draft of the first seed whose knobs are as wanted."""
    family = CODE_FAMILIES[name]
    for seed in range(5000):
        knobs = family.knobs(random.Random(seed))
        if all(knobs.get(key) == value for key, value in wanted.items()):
            return draft(name, seed)
    raise LookupError(f"{name} never draws {wanted}")


def world(name: str, **wanted: Any) -> types.ModuleType:
    return load(drawn_with(name, **wanted).hidden["judge.py"], "judge")


JOBS = [[[[0, 2], [1, 3]], 0, 0, 1, 0], [[[0, 1], [1, 1]], 0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("shop", "sequence", "setup", "done"),
    [
        ("flow", [0, 1], 0, [5, 6]),
        ("flow", [1, 0], 0, [6, 2]),
        ("flow", [0, 1], 4, [5, 10]),  # machine 1 is free at 5 and set up at 9
        ("no-wait", [0, 1], 0, [5, 6]),
        ("no-wait", [1, 0], 0, [6, 2]),
        ("no-wait", [0, 1], 4, [5, 10]),
        ("job", [0, 0, 1, 1], 0, [5, 6]),
        ("job", [0, 1, 1, 0], 0, [7, 4]),  # job 1 is the first on machine 1, where job 0 waits for it
    ],
)
def test_a_shop_by_hand(shop: str, sequence: list[int], setup: int, done: list[int]) -> None:
    judge = world("shop-scheduling", shop=shop, machines=4)
    assert judge.completions(sequence, JOBS, [[0, setup], [setup, 0]]) == done


def test_a_job_that_must_not_wait_begins_late() -> None:
    jobs = [[[[0, 1], [1, 9]], 0, 0, 1, 0], [[[0, 1], [1, 1], [2, 1]], 0, 0, 1, 0]]
    judge = world("shop-scheduling", shop="no-wait", machines=4)
    assert judge.completions([0, 1], jobs, [[0]]) == [10, 12]
    # While job 1 waits to begin at 9 its first machine stands idle, so nothing is in front of a third job before 10.
    third = [[[0, 1]], 0, 0, 1, 0]
    assert judge.completions([0, 1, 2], [*jobs, third], [[0]])[2] == 11


@pytest.mark.parametrize("shop", ["flow", "no-wait", "job"])
def test_no_schedule_beats_the_bound(shop: str) -> None:
    judge = world("shop-scheduling", shop=shop, objective="makespan", jobs=8)
    rng = random.Random(0)
    for _ in range(20):
        jobs, setups = judge.draw_case(rng)
        sequence = [number for number, job in enumerate(jobs) for _ in job[0]] if shop == "job" else list(range(8))
        for _ in range(20):
            rng.shuffle(sequence)
            assert judge.cost(judge.completions(sequence, jobs, setups), jobs) >= judge.yardstick(jobs)


SQUARE = [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]]  # four places on a line


def test_the_costs_of_routes_by_hand() -> None:
    tour = world("vehicle-routing", plan="tour", round_trip=True)
    assert tour.cost([[1, 2, 3]], SQUARE, [1] * 4) == 6
    assert world("vehicle-routing", plan="tour", round_trip=False).cost([[1, 2, 3]], SQUARE, [1] * 4) == 3
    assert world("vehicle-routing", plan="team", round_trip=True).cost([[1], [2, 3]], SQUARE, [1] * 4) == 6
    assert world("vehicle-routing", plan="latency").cost([[3, 1]], SQUARE, [0, 5, 1, 2]) == 2 * 3 + 5 * 5
    assert world("vehicle-routing", plan="prize").cost([[3, 1]], SQUARE, [0, 5, 1, 2]) == 1


@pytest.mark.parametrize(
    ("plan", "spoil", "message"),
    [
        ("capacity", lambda customers: [list(range(1, customers + 1))], "a route with a load of"),
        ("team", lambda customers: [[stop] for stop in range(1, customers + 1)], "routes; allowed are at most"),
        ("prize", lambda customers: [list(range(1, customers + 1))], "a route of"),
        ("prize", lambda customers: [[1], [2]], "2 routes; allowed is exactly 1"),
        ("latency", lambda customers: [[1]], "visit all"),
    ],
)
def test_routes_that_break_a_rule_are_named(plan: str, spoil: Any, message: str) -> None:
    judge = world("vehicle-routing", plan=plan)
    routes = spoil(judge.CUSTOMERS)
    with pytest.raises(ValueError, match=message):
        judge.judge("private", lambda function, arguments: [routes for _ in arguments])


def test_the_wind_makes_the_way_back_dear() -> None:
    judge = world("vehicle-routing", wind=0.4, distance="straight")
    assert judge.distance((0, 0), (100, 0)) == 60
    assert judge.distance((100, 0), (0, 0)) == 140


@pytest.mark.parametrize(
    ("problem", "labels"),
    [("colouring", [0] * 100), ("slots", [0] * 100), ("independent", [1] * 100), ("dominating", [0] * 100)],
)
def test_labels_that_break_a_rule_are_named(problem: str, labels: list[int]) -> None:
    judge = world("graph-labelling", problem=problem, nodes=100)
    with pytest.raises(ValueError, match=r"label returned [01] for .+; allowed are"):
        judge.judge("private", lambda function, arguments: [labels for _ in arguments])


@pytest.mark.parametrize(("problem", "sense"), [("independent", max), ("dominating", min)])
def test_the_bounds_of_graphs_hold(problem: str, sense: Any) -> None:
    judge = world("graph-labelling", problem=problem, weights="random")
    judge.__dict__["NODES"] = 10
    rng = random.Random(0)
    for _ in range(10):
        edges = [list(pair) for pair in itertools.combinations(range(10), 2) if rng.random() < 0.3]
        weights = [rng.randint(1, 9) for _ in range(10)]
        scores = []
        for labels in itertools.product((0, 1), repeat=10):
            try:
                judge.check(labels, edges)
            except ValueError:
                continue
            scores.append(judge.score(labels, edges, weights))
        assert sense(sense(scores), 1.0) == 1.0


@pytest.mark.parametrize("slip", ["sideways", "backwards", "wind", "anywhere"])
def test_moves_on_slippery_ground_are_probabilities(slip: str) -> None:
    judge = world("slippery-grid", slip=slip)
    cells = judge.draw_cells(random.Random(0))
    table = judge.matrices(cells, [0.3] * judge.SIZE**2)
    assert table.min() >= 0
    assert np.allclose(table.sum(axis=2), 1.0)


def test_the_return_of_a_corridor_by_hand() -> None:
    judge = world("slippery-grid", slip="backwards", objective="return", size=6)
    cells = ["Sa.G##"] + ["######"] * 5
    slips = [0.0, 0.5, 0.0] + [0.0] * 33
    values, _ = judge.sweep(judge.matrices(cells, slips), cells, np.ones(36, dtype=int))
    discount = judge.DISCOUNT
    # From `a` half of the moves go back to the start, from which the next one returns: v = d (v d + 1 d) / 2.
    assert values[1] == pytest.approx(discount**2 / 2 / (1 - discount**2 / 2))
    assert values[0] == pytest.approx(discount * values[1])


def test_logs_follow_the_moves_of_the_world() -> None:
    judge = world("slippery-grid", slip="sideways")
    rng = random.Random(0)
    cells = judge.draw_cells(rng)
    table = judge.matrices(cells, [0.5] * judge.SIZE**2)
    logs = judge.draw_logs(rng, cells, table)
    assert len(logs) == judge.LOGGED
    assert all(table[action, here, there] > 0 for here, action, there in logs)


def test_terrains_that_are_not_shown_do_not_reach_the_planner() -> None:
    files = drawn_with("slippery-grid", shown=False)
    seen: set[str] = set()

    def call(function: str, arguments: list[Any]) -> list[Any]:
        seen.update("".join("".join(cells) for cells, _ in arguments))
        return [[0] * len(arguments[0][0]) ** 2 for _ in arguments]

    load(files.hidden["judge.py"], "judge").judge("private", call)
    assert seen == set(".#XSG")


def test_a_store_of_perishable_goods_by_hand() -> None:
    judge = world("inventory-control", perishable=True, life=2, lead=1, lost=True)
    store = judge.Store([1, 9, 0, 0, 0, 0])
    store.stock = [3, 2]
    store.advance(7)  # sells 1 of the old ones, throws 2 away, and 7 arrive
    assert (store.stock, store.backlog) == ([2, 7], 0)
    assert store.cost == 2 * judge.HOLDING + judge.FIXED + 2 * judge.WASTE
    before = store.cost
    store.advance(0)  # sells all 9
    assert (store.stock, store.cost) == ([0, 0], before)
    store.demands[2] = 4
    store.advance(0)
    assert (store.backlog, store.cost) == (0, before + 4 * judge.SHORTAGE)


def test_a_store_whose_customers_wait_by_hand() -> None:
    judge = world("inventory-control", perishable=False, lead=2, lost=False)
    store = judge.Store([5, 1, 0])
    store.stock, store.pipeline = [2], [4]
    store.advance(6)
    assert (store.stock, store.backlog, store.pipeline) == ([4], 3, [6])
    assert store.cost == 3 * judge.SHORTAGE + judge.FIXED
    assert store.view() == [1, [4], 3, [6], [5]]
    store.advance(0)
    assert (store.stock, store.backlog) == ([6], 0)


@pytest.mark.parametrize("pattern", ["even", "seasonal", "growing", "switching", "bursts", "rare"])
def test_demands_have_the_mean_that_is_told(pattern: str) -> None:
    judge = world("inventory-control", pattern=pattern)
    rng = random.Random(0)
    demands = [judge.draw_demands(rng) for _ in range(400)]
    mean = (judge.LOWEST_LEVEL + judge.HIGHEST_LEVEL) / 2
    assert np.mean(demands) == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize("change", ["still", "jumps", "restarts", "drift", "seasons"])
def test_arms_change_as_they_are_said_to(change: str) -> None:
    judge = world("changing-bandit", change=change)
    arms = judge.Arms(random.Random(0))
    before, changed = arms.current(), set()
    for _ in range(judge.ROUNDS):
        arms.pull(0)
        after = arms.current()
        assert all(0 <= mean <= 1 for mean in after)
        changed.add(sum(one != other for one, other in zip(before, after, strict=True)))
        before = after
    everything = judge.ARMS
    match change:
        case "still":
            assert changed == {0}
        case "restarts":
            assert changed == {0, everything}
        case "jumps":
            assert changed - {0, everything}
        case _:
            assert everything in changed


def test_who_knows_the_best_arm_has_no_regret() -> None:
    files = drawn_with("changing-bandit", change="still", measure="regret")
    judge = load(files.hidden["judge.py"], "judge")
    made: list[Any] = []

    class Watched(judge.Arms):  # type: ignore[misc, name-defined]  # the judge is made at run time
        def __init__(self, rng: random.Random) -> None:
            super().__init__(rng)
            made.append(self)

    judge.__dict__["Arms"] = Watched
    best = lambda function, arguments: [arms.means.index(max(arms.means)) for arms in made]  # noqa: E731  (a call)
    assert set(judge.play(0, 20, best)) == {0.0}


def test_the_lines_of_boards() -> None:
    flat = world("connection-game", rows=6, columns=7, length=4, wrap=False)
    assert len(flat.LINES) == 69
    cylinder = world("connection-game", rows=6, columns=7, length=5, wrap=True)
    # 42 across, 2 down in each of 7 columns, 2 in each direction of each of 7 columns.
    assert len(cylinder.LINES) == 42 + 14 + 28


def test_a_stone_falls_to_the_ground_and_four_win() -> None:
    judge = world("connection-game", rows=6, columns=7, length=4, gravity=True)
    game = judge.Game()
    for _ in range(3):
        game.place(2, 0)
        game.place(4, 1)
    assert game.board[5 * 7 + 2] == 1 and game.board[3 * 7 + 4] == 2
    assert game.wins(2, 0) and game.wins(4, 1) and game.score is None
    game.place(2, 0)
    assert game.score == 1.0


def test_a_full_column_is_no_move() -> None:
    files = drawn_with("connection-game", gravity=True, head_start=0)
    with pytest.raises(ValueError, match="move returned 0; allowed are"):
        play(files, b"def move(board, moves):\n    return 0\n")


@pytest.mark.parametrize(
    ("actions", "first", "yours", "theirs", "won"),
    [
        ("kk", True, 3, 1, 1),
        ("kk", True, 1, 3, -1),
        ("kk", False, 2, 2, 0),
        ("bf", True, 0, 3, 1),  # they fold: the bet goes back
        ("bf", False, 3, 0, -1),
        ("bc", True, 3, 0, 1 + 3),
        ("kbf", True, 3, 0, -1),
        ("kbc", False, 0, 3, -1 - 3),
        ("bbf", True, 3, 0, -1 - 3),  # you do not call the raise
        ("bbc", False, 3, 0, 1 + 6),
    ],
)
def test_hands_of_poker_by_hand(actions: str, first: bool, yours: int, theirs: int, won: int) -> None:
    judge = world("one-card-poker", ante=1, bet=3, raises=2, open_card=False)
    table = judge.Table(next(iter(judge.KINDS)), random.Random(0))
    table.actions = actions
    assert judge.is_over(actions)
    table.settle(yours, theirs, -1, first)
    assert table.won == won
    assert table.past[0][4] == actions


def test_a_pair_beats_higher_cards() -> None:
    judge = world("one-card-poker", open_card=True)
    assert judge.rank_of(0, 0) > judge.rank_of(judge.RANKS - 1, 0)
    assert judge.strength(0, 0) > judge.strength(judge.RANKS - 1, 0) > judge.strength(1, 0)


@pytest.mark.parametrize("kinds", [["caller", "honest"], ["maniac", "rock"]])
def test_tendencies_are_probabilities_of_possible_moves(kinds: list[str]) -> None:
    judge = world("one-card-poker", kinds=kinds, raises=2)
    rng = random.Random(0)
    for kind, actions in itertools.product(kinds, ["", "k", "b", "kb", "bb", "kbb"]):
        player = judge.draw_player(kind, rng)
        chances = judge.tendencies(player, rng.random(), actions)
        assert sum(chances) == pytest.approx(1.0)
        assert all(chances[move] == 0 for move in {0, 1, 2} - set(judge.moves_after(actions)))


def test_cards_that_were_not_shown_stay_hidden() -> None:
    files = drawn_with("one-card-poker", shown=False, raises=1)
    seen: list[Any] = []

    def call(function: str, arguments: list[Any]) -> list[int]:
        seen.extend(json.loads(json.dumps(past)) for *_, past in arguments)
        return [moves[0] for _, _, _, moves, _ in arguments]

    load(files.hidden["judge.py"], "judge").judge("private", call)
    hands = [hand for past in seen for hand in past]
    assert all((theirs == -1) == actions.endswith("f") for _, theirs, _, _, actions in hands)
    assert any(theirs == -1 for _, theirs, *_ in hands)
