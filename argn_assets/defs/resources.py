"""Resources: the catalogue, the artifact store, and the IO manager over it."""

import dagster as dg

from argn_assets.orchestration.io_manager import ContentAddressedIOManager
from argn_assets.orchestration.resources import CatalogueResource, StoreResource


@dg.definitions
def resources() -> dg.Definitions:
    """Bind each resource; places come from the environment when a run needs them."""
    store = StoreResource()
    return dg.Definitions(
        resources={
            "catalogue": CatalogueResource(),
            "store": store,
            "io_manager": ContentAddressedIOManager(store=store),
        }
    )
