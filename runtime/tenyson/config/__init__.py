"""The configuration of a job: the models, and how a file becomes one of them."""

from tenyson.config.loading import load_config, parse_config
from tenyson.config.models import JobConfig
from tenyson.config.reading import read_mapping

__all__ = ["JobConfig", "load_config", "parse_config", "read_mapping"]
