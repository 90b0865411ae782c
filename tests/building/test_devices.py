"""Tests that a device which torch cannot use is refused."""

import pytest

from gensr_pref.building.devices import require_device
from gensr_pref.errors import ConfigError
from tests.refusals import raises


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_device_of_this_machine_is_accepted(device):
    require_device(device, "engine.device")


@pytest.mark.parametrize("device", ["cuda:99", "no-such-device", ""])
def test_other_device_is_refused_with_its_field(device):
    with raises(ConfigError, field="engine.device", value=device, problem="unsupported"):
        require_device(device, "engine.device")
