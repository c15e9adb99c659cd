"""What keeps the scenario from running."""


class ScenarioError(Exception):
    """The scenario cannot run here. The message is one sentence with the remedy; it holds no secret."""
