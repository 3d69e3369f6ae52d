"""`run_manifest.json`: what a run was made of, written before it trains.

A new attempt writes it anew; the attempt's own copy lies in its folder and stays.
"""

from tenyson.manifest.content import LOWER_IS_BETTER, manifest_content
from tenyson.manifest.hashes import sha256_of_json, sha256_of_text, weights_of_folder
from tenyson.manifest.secret import hide_password, without_secrets
from tenyson.manifest.task_files import recipe_of, task_facts

__all__ = [
    "LOWER_IS_BETTER",
    "hide_password",
    "manifest_content",
    "recipe_of",
    "sha256_of_json",
    "sha256_of_text",
    "task_facts",
    "weights_of_folder",
    "without_secrets",
]
