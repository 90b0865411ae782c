"""An ONNX speaker encoder written by hand, in protobuf's wire format (onnx.proto, IR version 8)."""

FLOAT = 1  # TensorProto.DataType
INT, INTS = 2, 7  # AttributeProto.AttributeType


def message(*fields):
    """Encode fields (number, value): an int as a varint, bytes and str after their length."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def tensor(name, shape):
    dims = [(1, message((1 if isinstance(dim, int) else 2, dim))) for dim in shape]
    shaped = message((1, FLOAT), (2, message(*dims)))
    return message((1, name), (2, message((1, shaped))))


def node(kind, inputs, output, *attributes):
    named = [(1, name) for name in inputs]
    return message(*named, (2, output), (4, kind), *((5, attribute) for attribute in attributes))


def integer(name, value):
    return message((1, name), (3, value), (20, INT))


def integers(name, values):
    return message((1, name), *((8, value) for value in values), (20, INTS))


def encoder(rank=2, inputs=("wave",), outputs=("embedding",), size=3):
    """Return a model that maps a waveform to its L1 norm, L2 norm and maximum."""
    operators = {"l1": "ReduceL1", "l2": "ReduceL2", "top": "ReduceMax"}
    axes = integers("axes", range(rank))
    nodes = [node(operator, ["wave"], name, axes) for name, operator in operators.items()]
    joined = [*operators][:size]
    nodes += [node("Concat", joined, name, integer("axis", rank - 1)) for name in outputs]
    single = [1] * (rank - 1)
    graph = message(
        *((1, node) for node in nodes),
        (2, "tiny"),
        *((11, tensor(name, [*single, "samples"])) for name in inputs),
        *((12, tensor(name, [*single, size])) for name in outputs),
    )
    return message((1, 8), (7, graph), (8, message((1, ""), (2, 13))))
