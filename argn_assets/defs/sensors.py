"""The catalogue's sensor: a declared data set becomes a partition without a reload."""

import dagster as dg

from argn_assets.errors import ArgnError
from argn_assets.orchestration.partitions import DATASETS, missing_partitions
from argn_assets.orchestration.resources import CatalogueResource


@dg.sensor(
    name="catalogue_sync",
    description="Adds a partition for every YAML file of the catalogue; a broken file is reported, the others go on.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def catalogue_sync(context: dg.SensorEvaluationContext, catalogue: CatalogueResource) -> dg.SensorResult:
    """Add the partitions that the catalogue declares and Dagster does not know."""
    try:
        found = catalogue.open()
    except ArgnError as error:
        return dg.SensorResult(skip_reason=dg.SkipReason(str(error)))
    problems = list(found.problems().values())
    for problem in problems:
        context.log.warning(problem)
    added = missing_partitions(found.names(), context.instance.get_dynamic_partitions("dataset"))
    requests = [DATASETS.build_add_request(added)] if added else []
    said = f"{len(found.names())} data sets declared, {len(added)} new{': ' + ', '.join(added) if added else ''}."
    return dg.SensorResult(dynamic_partitions_requests=requests, skip_reason=dg.SkipReason(" ".join([said, *problems])))
