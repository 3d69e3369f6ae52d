"""vLLM, for real: what it generates is what Hugging Face generates, adapter by adapter."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import CheckpointError
from tenyson.evaluation.completions import BASE, Completion, Request, Sampling
from tenyson.evaluation.proof import prove_adapters
from tenyson.files import sha256_of_file

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

MODELS = (BASE, "long", "short")
BOTH = Sampling(6, 1.0, top_k=40, top_p=0.98, num_samples=3, seed=7, include_greedy=True)


@pytest.fixture(scope="module")
def trained(train: Any) -> Any:
    return train("llama")


@pytest.fixture(scope="module")
def tokenizer(trained: Any) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(trained.base)


@pytest.fixture(scope="module")
def requests(tokenizer: Any) -> list[Request]:
    texts = [f"{a}+{b}=" + "?" * (a % 3) for a in range(5) for b in range(5)]
    return [Request(text, tuple(tokenizer(text)["input_ids"])) for text in texts]


@pytest.fixture(scope="module")
def vllm(trained: Any, tokenizer: Any) -> Iterator[Any]:
    from tenyson.evaluation.engines.vllm import VLLMEngine
    from tenyson.evaluation.engines.vllm_start import EngineSettings, ServedAdapter

    adapters = {
        name: ServedAdapter(folder, sha256_of_file(folder / File.ADAPTER_WEIGHTS), 4)
        for name, folder in trained.adapters.items()
    }
    settings = EngineSettings(dtype="float32", max_model_length=32)
    engine = VLLMEngine(trained.base, tokenizer, adapters=adapters, settings=settings)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def hf(trained: Any, tokenizer: Any) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tenyson.evaluation.engines.hf import HFEngine

    model = AutoModelForCausalLM.from_pretrained(trained.base, dtype="float32")
    first, second = trained.adapters
    model = PeftModel.from_pretrained(model, str(trained.adapters[first]), adapter_name="a")
    model.load_adapter(str(trained.adapters[second]), adapter_name="b")
    return HFEngine(model, tokenizer, adapters={first: "a", second: "b"})


def answers(
    engine: Any, requests: list[Request], model: str, sampling: Sampling = BOTH, **more: Any
) -> dict[str, list[Completion]]:
    found: dict[str, list[Completion]] = {}
    for batch in engine.generate(requests, sampling, model, **more):
        found |= batch
    return found


@pytest.fixture(scope="module")
def by_vllm(vllm: Any, requests: list[Request]) -> dict[str, Any]:
    return {model: answers(vllm, requests, model) for model in MODELS}


@pytest.fixture(scope="module")
def by_hf(hf: Any, requests: list[Request]) -> dict[str, Any]:
    return {model: answers(hf, requests, model) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_greedy_answers_equal_hugging_faces(model: str, by_vllm: Any, by_hf: Any) -> None:
    greedy = [{key: drawn[0] for key, drawn in by[model].items()} for by in (by_vllm, by_hf)]

    assert greedy[0] == greedy[1]


def test_the_models_in_one_start_are_different_ones(by_vllm: Any) -> None:
    texts = {str({key: drawn[0].text for key, drawn in by_vllm[m].items()}) for m in MODELS}

    assert len(texts) == len(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_draws_the_same_sample_in_both_engines(model: str, by_vllm: Any, by_hf: Any) -> None:
    pairs = [
        (one, other)
        for key in by_hf[model]
        for one, other in zip(by_vllm[model][key][1:], by_hf[model][key][1:], strict=True)
    ]

    # Rounding may turn a draw that is nearly a tie.
    assert sum(one == other for one, other in pairs) >= 0.97 * len(pairs)
    assert len({one.text for one, _ in pairs}) > 3


def test_a_sample_does_not_hang_on_what_runs_beside_it(
    vllm: Any, requests: list[Request], by_vllm: Any
) -> None:
    done = [request.key for request in requests[:-3]]

    few = answers(vllm, requests, "long", done=done)

    assert few == {request.key: by_vllm["long"][request.key] for request in requests[-3:]}


def test_log_probabilities_equal_hugging_faces(vllm: Any, hf: Any, requests: list[Request]) -> None:
    prompts = [request.ids for request in requests[:8]]
    for model in MODELS:
        found, wanted = vllm.first_log_probs(prompts, model), hf.first_log_probs(prompts, model)
        for one, other in zip(found, wanted, strict=True):
            shared = one.keys() & other.keys()
            assert len(shared) >= 18
            assert all(one[token] == pytest.approx(other[token], abs=1e-4) for token in shared)


def test_a_stop_leaves_the_engine_usable(vllm: Any, requests: list[Request], by_vllm: Any) -> None:
    calls = iter(range(100))

    def stop() -> None:
        if next(calls) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        answers(vllm, requests, "long", check_stop=stop)

    assert answers(vllm, requests, "long") == by_vllm["long"]


def test_new_weights_in_an_adapters_folder_are_served_and_not_the_old_ones(
    vllm: Any, trained: Any, requests: list[Request], by_vllm: Any, serve: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(trained.adapters["short"], folder)
    vllm.put_adapter("changing", serve(folder))
    assert answers(vllm, requests, "changing") == by_vllm["short"]
    old = vllm._adapters["changing"]

    weights = folder / File.ADAPTER_WEIGHTS
    weights.write_bytes((trained.adapters["long"] / File.ADAPTER_WEIGHTS).read_bytes())

    # The trap: under its old id vLLM goes on serving what is no longer there.
    assert vllm._adapters["changing"] == old
    assert answers(vllm, requests, "changing") == by_vllm["short"]
    vllm.put_adapter("changing", serve(folder))
    assert answers(vllm, requests, "changing") == by_vllm["long"]


def change_tensors(folder: Path, target: Path, change: Any) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    tensors = change(load_file(target / File.ADAPTER_WEIGHTS))
    save_file(tensors, target / File.ADAPTER_WEIGHTS)
    return target


def test_layers_that_the_model_does_not_have_are_refused(
    vllm: Any, trained: Any, serve: Any, tmp_path: Path
) -> None:
    def add_layer(tensors: Any) -> Any:
        return tensors | {n.replace("layers.0", "layers.7"): t.clone() for n, t in tensors.items()}

    folder = change_tensors(trained.adapters["long"], tmp_path / "deep", add_layer)

    with pytest.raises(CheckpointError, match=r"7 of its modules have no match.*layers\.7"):
        vllm.put_adapter("deep", serve(folder))


def test_an_adapter_that_changes_nothing_is_refused(
    vllm: Any, trained: Any, requests: list[Request], serve: Any, tmp_path: Path
) -> None:
    def untrain(tensors: Any) -> Any:
        return {n: t * 0 if "lora_B" in n else t for n, t in tensors.items()}

    folder = change_tensors(trained.adapters["long"], tmp_path / "untrained", untrain)
    vllm.put_adapter("untrained", serve(folder))

    with pytest.raises(CheckpointError, match="changes nothing"):
        prove_adapters(vllm, requests, {"untrained": folder})
    assert prove_adapters(vllm, requests, trained.adapters).keys() == {"long", "short"}
