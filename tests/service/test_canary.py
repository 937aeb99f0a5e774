"""The canary through the whole service: what it tells operators, and whom it does not reach."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from listeners import Inbox
from networks import blind_model
from peers import Millet, file_names, free_port, http, storescu, until

from millet.phantom import canary
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub
