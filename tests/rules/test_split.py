import hashlib

from app.rules.split import SHARES, group_split_key, normalised, split_key, split_of


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_case_punctuation_spacing_and_numbers_do_not_change_the_split_key() -> None:
    first = split_key(user("Name 3 rivers in Ghana!"))

    assert first == split_key(user("name 12  rivers, in GHANA"))
    assert first != split_key(user("name 3 rivers in Chad"))


def test_text_that_normalises_to_the_same_letters_in_unicode_is_one() -> None:
    assert normalised("Ｃａｆé") == normalised("CAFÉ")


def test_the_role_of_a_message_matters() -> None:
    assert split_key(user("hello")) != split_key([{"role": "system", "content": "hello"}])


def test_the_shares_hold_over_many_prompts() -> None:
    """2,000 different prompts: each share within four standard deviations of its promise."""
    found = [split_of(split_key(user("word " * i))) for i in range(1, 2001)]

    for split, share in SHARES.items():
        deviation = (share * (1 - share) / len(found)) ** 0.5
        assert abs(found.count(split) / len(found) - share) < 4 * deviation


def test_splits_never_move() -> None:
    """Written down once: a change here would leak test prompts into training."""
    assert [split_of(split_key(user(word))) for word in ("sea", "rain", "bread", "stars")] == [
        "test",
        "train",
        "train",
        "train",
    ]


def test_the_split_follows_the_rule_that_manifests_state() -> None:
    """Written out again from the rule: sha256 of salt and key, as a fraction of 2^256."""
    for word in ("sea", "rain", "a longer prompt", "stars", "tea"):
        key = hashlib.sha256(f"user: {word}".encode()).hexdigest()
        number = int(hashlib.sha256(f"prefloop-split-1{key}".encode()).hexdigest(), 16)
        tenth = number * 10 // 2**256
        expected = "train" if tenth < 8 else "validation" if tenth == 8 else "test"
        assert split_of(split_key(user(word))) == expected


def test_groups_that_differ_in_a_number_are_two_groups() -> None:
    assert group_split_key("topic 12") != group_split_key("topic 13")
    assert group_split_key("Topic  12") == group_split_key("topic 12")
