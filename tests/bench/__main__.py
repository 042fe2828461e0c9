"""`python -m tests.bench`: all figures of the performance bars, in one run, on servers that are made for it."""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outfitter.settings import Settings

from . import figures, report
from .figures import Side
from .scenarios import SCENARIOS, WORKSPACES, Scenario
from .servers import REPOSITORY, Operator, fresh, load

COMMAND = shlex.join([str(Path(sys.executable).with_name("outfitter")), "run"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when everything was measured; with --strict 1 where a bar was missed."""
    options = _options(arguments)
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    names = list(SCENARIOS) if options.scenario == "all" else [options.scenario]
    results: dict[str, dict[str, Any]] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="outfitter-bench-") as folder:
            started = time.monotonic()
            result = _measure(SCENARIOS[name], options, Path(folder), lambda text, name=name: say(f"{name}: {text}"))
            results[name] = {**result, "seconds": round(time.monotonic() - started, 1)}
    first = next(iter(results.values()))  # its keys stand at the top as well, for whoever reads one scenario
    report.write(options.output, {"n": options.n, **first, "scenarios": results})
    for name, result in results.items():
        print(f"{name}\n{report.table(result)}\n{_footnote(options, result['details'])}\n")
    print(f"everything is in {options.output}")
    return 1 if options.strict and any(map(report.missed, results.values())) else 0


def _footnote(options: argparse.Namespace, details: dict[str, Any]) -> str:
    seen, latency = details["throughput"], details.get("latency")
    text = (
        f"N={options.n}, {len(seen['pairs'])} pairs; medians: operator {seen['operator_crs_per_second']:.0f} CRs/s, "
        f"bare loop {seen['bare_crs_per_second']:.0f} CRs/s; ratio by CPU time {seen['cpu_ratio']:.2f}"
    )
    if latency is None:
        return text
    whole = "until also what belongs to nobody was made"
    text += f"\nlatency: {_quantiles(latency)}\n{whole}: {_quantiles(latency['everything'])}"
    return f"{text}\nthe same writes without an operator: {_quantiles(latency['bare'])}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many objects (default: 1000)")
    parser.add_argument(
        "--scenario",
        choices=(*SCENARIOS, "all"),
        default=WORKSPACES.name,
        help="what is made: see docs/development/performance.md (default: workspaces)",
    )
    parser.add_argument("--pairs", type=int, help="times that both sides are run (default: 3; 2 below N=1000)")
    parser.add_argument("--idle-seconds", type=float, help="length of the idle phase (default: 300; 20 below N=1000)")
    parser.add_argument("--samples", type=int, help="samples of latency (default: 200; 100 below N=1000)")
    parser.add_argument("--only", choices=("throughput",), help="measure the throughput, and nothing else")
    parser.add_argument("--command", default=COMMAND, help="how the operator is started (default: outfitter run)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "bench.json", help="where the JSON goes")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a bar was missed")
    options = parser.parse_args(arguments)
    full = options.n >= 1000
    options.pairs = options.pairs or (3 if full else 2)
    options.idle_seconds = options.idle_seconds if options.idle_seconds is not None else (300 if full else 20)
    options.samples = options.samples or (200 if full else 100)
    if options.samples % figures.BLOCK:
        parser.error(f"--samples: a multiple of {figures.BLOCK}")
    return options


def _measure(scenario: Scenario, options: argparse.Namespace, folder: Path, say: figures.Say) -> dict[str, Any]:
    pairs: list[tuple[Side, Side]] = []
    details: dict[str, Any] = {"machine": [load()]}
    for number in range(options.pairs):
        last = number == options.pairs - 1
        # Alternately one side first and the other, so that a machine that gets slower or faster favours neither.
        # The operator's server of the last pair goes on to the other figures.
        bare_first = last or number % 2 == 0
        bare = _bare(scenario, options, folder / f"bare-{number}", say) if bare_first else None
        operator = _operator(scenario, options, folder / f"operator-{number}", say, details if last else None)
        bare = bare or _bare(scenario, options, folder / f"bare-{number}", say)
        if not figures.same_writes(scenario, operator.shapes, bare.shapes):
            raise RuntimeError(f"the two sides did not make the same writes: {operator.shapes} and {bare.shapes}")
        pairs.append((operator, bare))
        details["machine"].append(load())
    details["throughput"] = _throughput(scenario, pairs)
    return _result(options, pairs, details)


def _bare(scenario: Scenario, options: argparse.Namespace, folder: Path, say: figures.Say) -> Side:
    say(f"bare loop: a fresh server with {options.n} {scenario.plural}")
    with fresh(folder, scenario, options.n) as server:
        side = figures.bare_side(server, options.n, Settings().max_requests)
    say(f"bare loop: {side.rate:.1f} CRs/s, CPU per CR {_cpu(side)}")
    return side


def _operator(
    scenario: Scenario, options: argparse.Namespace, folder: Path, say: figures.Say, details: dict[str, Any] | None
) -> Side:
    say(f"operator: a fresh server with {options.n} {scenario.plural}")
    with fresh(folder, scenario, options.n) as server, Operator(server, shlex.split(options.command)) as operator:
        tail = server.tail("outfitter")
        side = figures.operator_side(server, operator, tail, options.n)
        say(f"operator: {side.rate:.1f} CRs/s, CPU per CR {_cpu(side)}")
        if details is None or options.only:
            operator.stop()
            return side
        tail.quiet(figures.QUIET_SECONDS, 120)
        details["writes"] = figures.writes(server, tail, options.n)
        memory = operator.memory
        say(f"settled: {details['writes']['per_cr']:.3f} writes per CR, {memory['now']:.1f} MiB")
        details["idle"] = figures.idle(server, options.idle_seconds)
        say(f"idle for {options.idle_seconds:.0f} s: {details['idle']['requests']} requests")
        idle_memory = operator.memory
        details["restart"] = figures.restart(server, operator, options.n)
        again = operator.memory
        say(f"restart: {details['restart']['writes']} writes, {again['now']:.1f} MiB afterwards")
        details["memory"] = {
            "settled_mib": memory["now"],
            "after_idle_mib": idle_memory["now"],
            "after_restart_mib": again["now"],
            "peak_mib": max(idle_memory["peak"], again["peak"]),
        }
        seen = details["latency"] = figures.latency(server, operator, options.samples, Settings().max_requests)
        say(f"latency: {_quantiles(seen)}; without an operator: {_quantiles(seen['bare'])}")
        operator.stop()
    return side


def _quantiles(seen: dict[str, Any]) -> str:
    text = f"p50 {seen['p50']:.1f} ms, p99 {seen['p99']:.1f} ms"
    if not seen["stolen_share"]:
        return text
    text += f"; the machine's host gave {seen['stolen_share']:.1%} of it to others"
    calm = seen["undisturbed"]
    return f"{text}, and nothing in {calm['samples']} samples: p99 {calm['p99']:.1f} ms" if calm else text


def _cpu(side: Side) -> str:
    return f"{side.cpu_ms:.2f} ms, servers {side.server_cpu_ms:.2f} ms"


def _throughput(scenario: Scenario, pairs: list[tuple[Side, Side]]) -> dict[str, Any]:
    return {
        "children_per_cr": scenario.child_count,
        "writes_per_cr": scenario.write_count,
        "operator_crs_per_second": statistics.median(operator.rate for operator, _ in pairs),
        "bare_crs_per_second": statistics.median(bare.rate for _, bare in pairs),
        "cpu_ratio": figures.cpu_ratio(pairs),
        "pairs": [
            {
                "ratio": operator.rate / bare.rate,
                **{
                    name: {
                        "crs_per_second": side.rate,
                        "seconds": side.seconds,
                        "client_cpu_ms_per_cr": side.cpu_ms,
                        "server_cpu_ms_per_cr": side.server_cpu_ms,
                        **side.facts,
                    }
                    for name, side in (("operator", operator), ("bare", bare))
                },
            }
            for operator, bare in pairs
        ],
        "writes_by_shape": dict(pairs[-1][0].shapes),
    }


def _result(options: argparse.Namespace, pairs: list[tuple[Side, Side]], details: dict[str, Any]) -> dict[str, Any]:
    result = {"n": options.n, "throughput_ratio": figures.median_ratio(pairs), "details": details}
    if options.only:
        return result
    return {
        **result,
        "extra_writes_per_cr": details["writes"]["extra_per_cr"],
        "idle_requests": details["idle"]["requests"],
        "restart_writes": details["restart"]["writes"],
        "latency_p50_ratio": details["latency"]["p50"] / details["latency"]["bare"]["p50"],
        "latency_p99_ms": details["latency"]["p99"],
        "rss_mib": max(details["memory"][when] for when in ("settled_mib", "after_idle_mib", "after_restart_mib")),
    }


if __name__ == "__main__":
    sys.exit(main())
