"""Why a statistic, or only its interval, is undefined: in words."""

REASONS = {
    "no_data": "nothing to count yet",
    "no_overlap": "no comparison has two such judgments yet",
    "one_category": "all gave the same verdict, so chance alone cannot be told apart",
    "too_few_for_interval": "too few independent prompts or comparisons for an interval",
    "no_ties": "there are no ties",
    "too_few_judgments": "too few judgments for an interval",
    "one_value": "all responses are about equally long",
    "one_outcome": "it always came out the same way",
    "no_order": "no order of the verdicts",
    "no_shown_sides": "no side recorded",
    "no_gold": "no known answers judged",
    "no_repeats": "nothing judged twice",
    "no_times": "no time recorded",
    "equal_times": "most times are equal",
    "no_triples": "no three responses to one prompt compared with each other",
    "too_few_in_common": "nobody shares 20 comparisons",
    "pairs_share_judgments": "pairs share judgments",
    "separated": "one side or length decides every verdict",
    "no_maximum": "length, a side or a source decides every verdict",
    "length_is_source": "each source differs by about as much in length wherever it meets another, "
    "so that the two cannot be told apart",
    "side_is_source": "sources always stood on the same sides, so that the two cannot be told "
    "apart",
    "one_time": "one week only",
    "no_contests": "no two responses from different sources were compared",
    "not_connected": "some sources never lost to, or were never compared with, others",
    "no_variation": "nothing differs that could be resampled",
    "not_resampled": "too few resamples have a value for an interval",
    "needs_three_labels": "fewer than 20 comparisons have three verdicts without a tie",
    "below_chance": "agreement is below one half",
    "no_pace": "nothing was judged here in these days",
    "no_rates": "no pay rate is set",
    "pace_too_uneven": "the days differ too much for an upper end",
    "not_fitted": "not fitted yet",
    "alone": "nobody else to compare with",
    "all_tied": "every response was ranked alike",
    "too_few_annotators": "fewer than eight annotators",
    "adaptive_overlap": "more judgments were asked for where annotators disagreed",
}


def reason(name: str | None) -> str:
    """Raises KeyError for a reason without words."""
    return "" if name is None else REASONS[name]
