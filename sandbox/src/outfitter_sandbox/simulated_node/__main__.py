"""Run a simulated node.

`python -m outfitter_sandbox.simulated_node --kubeconfig FILE --gpus 16 --mig 1g.10gb=4`
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from outfitter_sandbox.object_api import connected
from outfitter_sandbox.simulated_node.node import SimulatedNode


async def main() -> None:
    """Parse the command line and run the node."""
    parser = argparse.ArgumentParser(description="Simulated node of the Outfitter sandbox")
    parser.add_argument("--kubeconfig", required=True, type=Path)
    parser.add_argument("--gpus", type=int, default=16)
    parser.add_argument("--mig", action="append", default=[], metavar="PROFILE=COUNT")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    slices = dict(item.split("=", 1) for item in arguments.mig)
    capacity = {
        "cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000",
        "nvidia.com/gpu": str(arguments.gpus), "nvidia.com/mig-1g.5gb": "8",
        **{f"nvidia.com/mig-{profile}": count for profile, count in slices.items()},
    }  # fmt: skip
    async with connected(arguments.kubeconfig) as api:
        await SimulatedNode(api, capacity).run()


if __name__ == "__main__":
    asyncio.run(main())
