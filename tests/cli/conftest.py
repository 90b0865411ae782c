"""The small run of the export tests, which the command's tests export as well."""

from tests.exporting.conftest import built, project, run_folder  # noqa: F401  fixtures
