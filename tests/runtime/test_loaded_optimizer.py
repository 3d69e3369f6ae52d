"""What of an optimiser's settings a checkpoint decides, and what the configuration."""

import pytest

pytestmark = pytest.mark.train


@pytest.mark.parametrize("fused", [True, False])
def test_kernels_stay_those_of_the_checkpoint_and_weight_decay_follows_the_configuration(
    fused: bool,
) -> None:
    """A fused optimiser keeps its counts on the GPU, another one does not: neither takes both."""
    import torch

    from tenyson.jobs.training._schedule import follow_configuration, settings_of

    weight = torch.nn.Parameter(torch.ones(2))
    saved = torch.optim.AdamW([weight], weight_decay=0.5, fused=fused)
    weight.grad = torch.ones(2)
    saved.step()
    now = torch.optim.AdamW([weight], weight_decay=0.1, fused=not fused)
    configured = settings_of(now)

    now.load_state_dict(saved.state_dict())
    follow_configuration(now, None, configured)

    (group,) = now.param_groups
    assert (bool(group["fused"]), group["weight_decay"]) == (fused, 0.1)
    now.step()
