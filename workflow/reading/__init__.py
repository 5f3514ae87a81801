"""A campaign from its YAML file, and back. Reading changes nothing outside the process."""

from workflow.reading.campaign_file import dump, load_campaign, parse_campaign

__all__ = ["dump", "load_campaign", "parse_campaign"]
