"""`helm test` where something is wrong; that it succeeds elsewhere is in test_guide.py."""

import pytest

from tests.chart.installed.helm import HelmError, Release

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.timeout(1200)]


def test_a_runner_image_that_does_not_exist_fails_the_test_and_is_named(release: Release) -> None:
    release.install(
        "--set", "runtime.image.repository=nowhere/runner", "--set", "test.timeoutSeconds=60"
    )
    with pytest.raises(HelmError) as failed:
        release.test()
    said = str(failed.value)
    assert "nowhere/runner" in said
    assert "ImagePull" in said
