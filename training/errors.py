"""Errors that the command line prints as one sentence."""


class TrainingError(Exception):
    """Anything a person can repair: the message says what was found and what to do."""


class BundleError(TrainingError):
    """An export bundle that is missing, incomplete, changed or of another format."""


class ConfigError(TrainingError):
    """A recipe or `--set` that names an unknown setting or gives an impossible value."""


class RunError(TrainingError):
    """A run directory, model directory or training run that cannot go on."""
