"""Every operation of huggingface_hub, whichever version this environment has."""
import hub_repositories  # noqa: F401
import hub_files  # noqa: F401
import hub_community  # noqa: F401
import matrix

matrix.run()
