"""Logs of smoke pods as drivers print them, for every test that needs some."""

UUID = "GPU-5a3c1b2e-90ab-4cde-8f01-23456789abcd"
HEADER = """\
Mon Nov 23 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.126.09             Driver Version: 580.126.09     CUDA Version: 13.0     |
|-----------------------------------------+------------------------+----------------------+
"""
LIST = f"GPU 0: Tesla T4 (UUID: {UUID})\n"
SAMPLE = "[Vector addition of 50000 elements]\nCopy input data\nTest PASSED\nDone\n"
BOARD = """\
GPU 00000000:00:1E.0
    ECC Mode
        Current                           : Enabled
        Pending                           : Enabled
    ECC Errors
        Volatile
            SRAM Correctable              : 0
            SRAM Uncorrectable            : 0
            DRAM Correctable              : 7
            DRAM Uncorrectable            : 0
        Aggregate
            DRAM Uncorrectable            : 3
            SRAM Threshold Exceeded       : No
    Remapped Rows
        Correctable Error                 : 1
        Uncorrectable Error               : 2
        Pending                           : No
        Remapping Failure Occurred        : No
        Bank Remap Availability Histogram
            Max                           : 640 bank(s)
"""
"""A board that was repaired: its whole life shows errors, this boot none."""
DETAILS = "\n==============NVSMI LOG==============\n\nDriver Version : 580.126.09\n\nAttached GPUs : 1\n"
GOOD = {"nvidia-smi": HEADER + LIST + DETAILS + BOARD, "vectoradd": SAMPLE}


def uuid(number: int) -> str:
    """A UUID of its own for each number."""
    return f"GPU-{number:08x}-90ab-4cde-8f01-23456789abcd"


def listed(*uuids: str) -> str:
    """`nvidia-smi -L` of these GPUs."""
    return "".join(f"GPU {index}: Tesla T4 (UUID: {one})\n" for index, one in enumerate(uuids))
