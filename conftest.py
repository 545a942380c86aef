"""What every test process and every notebook kernel it starts should see."""

import os
import tempfile
from pathlib import Path

import matplotlib.font_manager

ROOT = Path(__file__).parent

# Kernels start in book/ and inherit this environment: the module under test is this checkout's.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# Small kernels on many threads wait for each other; one thread each is faster.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# torch's profiler writes two lines to stderr at each run, which a strict comparison would see.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")
# So does torch's counter of flops where a CUDA build comes without triton, which no page uses.
os.environ.setdefault("TORCH_LOGS", "-torch.utils.flop_counter")
# So does matplotlib where it cannot write to HOME, or is long at its list of fonts: both are over
# with the import above, and kernels take what it left. Nor do they see anybody's matplotlibrc.
os.environ["MPLCONFIGDIR"] = matplotlib.get_cachedir()
# A kernel is spoken to through files that Jupyter keeps in HOME, which may not be ours to write.
_files = tempfile.TemporaryDirectory(prefix="kernels-")  # gone when this process is
os.environ["JUPYTER_RUNTIME_DIR"] = _files.name
