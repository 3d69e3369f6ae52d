"""The configuration of a job: the models, and how a file becomes one of them."""

from tenyson.config.loading import load_config, parse_config, read_mapping
from tenyson.config.models import JobConfig

__all__ = ["JobConfig", "load_config", "parse_config", "read_mapping"]
