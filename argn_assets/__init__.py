"""argn_assets: synthetic tables as data assets.

A table becomes integer codes under stored statistics; a model of codes is an artifact; everything is named by its
content, so nothing is computed twice and every synthetic row can be traced to what made it.

    definitions  defs  cli  commands  pipeline   what is run
    orchestration  bank  distributed  quality    what the definitions need
    store  engine                                where artifacts live; what computes with torch
    artifact                                     a trained model as bytes
    tables  datasets                             whole tables; what a user declares
    encodings                                    column values <-> integer codes
    errors  schema  seeds  charts                words everyone shares

Imports point down only. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
