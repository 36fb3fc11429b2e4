"""Several processes that serve one address."""

from __future__ import annotations

from uvicorn.supervisors import Multiprocess


class Processes(Multiprocess):
    """uvicorn's processes; one that ends while it is asked whether it is alive is replaced at once.

    uvicorn keeps the process's end of their pipe open as well. The pipe then outlives the process,
    and uvicorn waits for an answer as long as for one that starts.
    """

    def keep_subprocess_alive(self) -> None:
        """Replace processes that have ended, or do not answer."""
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()
