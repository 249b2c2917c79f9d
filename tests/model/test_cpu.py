"""What the processor can do is detected and timed, never assumed."""

from __future__ import annotations

import pytest

from imgsearch.cli.main import main
from imgsearch.errors import UsageError
from imgsearch.model import cpu, model_id_of, profile_for
from imgsearch.model.checkpoints import identity

SAPPHIRE = frozenset({"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"})
FAST, SLOW = {"float32": 80.0, "bfloat16": 200.0}, {"float32": 80.0, "bfloat16": 10.0}


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """One with all instructions."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv(cpu.MASK, raising=False)
    monkeypatch.setattr(cpu, "_detected", lambda: SAPPHIRE)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "value", "has"),
    [
        (cpu.MASK, "", (True, True)),
        (cpu.MASK, "avx512_bf16", (True, True)),
        (cpu.MASK, "avx512_bf16, amx_bf16", (False, True)),
        (cpu.MASK, "all", (False, False)),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", (False, False)),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI", (False, True)),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", (True, True)),
        ("ONEDNN_MAX_CPU_ISA", "ALL", (True, True)),
    ],
)
def test_masked_instructions_are_as_missing(monkeypatch, variable, value, has):
    monkeypatch.setenv(variable, value)
    assert (cpu.has_bfloat16(), cpu.has_int8()) == has


def test_a_probe_is_made_once(monkeypatch):
    probes = []
    monkeypatch.setattr(cpu, "_torch_rates", lambda: probes.append(1) or FAST)
    assert cpu.bfloat16_pays() and cpu.bfloat16_pays()
    assert len(probes) == 1 and cpu.known_rates() == FAST
    monkeypatch.setenv(cpu.MASK, "all")  # as another processor: nothing is known of it, and torch is not asked
    assert not cpu.bfloat16_pays() and cpu.known_rates() == {}


def test_a_damaged_memory_is_no_error(monkeypatch, own_cache):
    cpu.probe()
    (own_cache / "imgsearch" / "processor.json").write_text("[1")
    assert cpu.known_rates() == {}
    monkeypatch.setattr(cpu, "_torch_rates", lambda: SLOW)
    assert not cpu.bfloat16_pays() and cpu.known_rates() == SLOW


def test_numpy_times_float32(monkeypatch):
    monkeypatch.setenv(cpu.MASK, "all")
    assert cpu.probe().keys() == {"float32"} and cpu.known_rates()["float32"] > 0


@pytest.mark.parametrize(
    ("large", "rates", "mask", "dtype"),
    [
        (True, FAST, "", "bfloat16"),
        (True, SLOW, "", "float32"),
        (True, FAST, "all", "float32"),
        (False, FAST, "", "float32"),
    ],
)
def test_a_large_model_runs_in_bfloat16_where_that_pays(monkeypatch, directory, large, rates, mask, dtype):
    monkeypatch.setattr(identity, "_is_large", lambda config: large)
    monkeypatch.setattr(cpu, "_torch_rates", lambda: rates)
    monkeypatch.setenv(cpu.MASK, mask)
    assert model_id_of(directory, "cpu").dtype == dtype
    assert profile_for(directory, "cpu").dtype == dtype
    assert model_id_of(directory, "cpu", "float32").dtype == "float32"


def test_models_say_what_the_processor_can(monkeypatch, capsys):
    monkeypatch.setattr(cpu, "_torch_rates", lambda: FAST)
    cpu.probe()
    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert "timed once: 80 GFLOP/s a core in float32, 200 GFLOP/s a core in bfloat16" in told
    blip2 = next(line for line in told.splitlines() if line.startswith("blip2 "))
    assert "2.7 GB" in blip2  # 4.9 in float32, less half of the weights that images need
    assert "here: cpu, bfloat16, torch; about" in told and "loses against float32: matching logits within 0.05" in told
    monkeypatch.setenv(cpu.MASK, "all")
    main(["models"])
    told = capsys.readouterr().out
    assert "no instructions for bfloat16" in told and "none for int8" in told and "cpu, bfloat16" not in told


def test_a_misspelt_instruction_is_told(monkeypatch):
    monkeypatch.setenv(cpu.MASK, "avx512_bf61")
    with pytest.raises(UsageError, match=r"avx512_bf61.*did you mean avx512_bf16") as caught:
        cpu.has_bfloat16()
    assert "all" in caught.value.hint
