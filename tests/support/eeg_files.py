"""Writers of EEG files in their real formats, byte by byte where no library here writes them."""

import struct
from pathlib import Path

import numpy as np

NAMES = ("Fp1", "Fp2", "F3", "F4")


def noise(n_channels=4, seconds=12.0, sfreq=128.0, seed=0, alpha=0.0):
    """Signals in µV, (n_channels, n_times); `alpha` adds a 10 Hz wave of that amplitude."""
    n_times = round(seconds * sfreq)
    wave = alpha * np.sin(2 * np.pi * 10 * np.arange(n_times) / sfreq)
    return np.random.default_rng(seed).normal(0, 10, (n_channels, n_times)) + wave


def write_edf(path: Path, signals, names=NAMES, sfreq=128, annotations=(), bdf=False):
    """EDF(+) or BDF as specified at edfplus.info and biosemi.com: one-second records, µV, little-endian integers.

    `annotations` are (onset, duration, text), written as an EDF+ annotation channel.
    """
    n_records = signals.shape[1] // sfreq
    width, top = (3, 2**23 - 1) if bdf else (2, 2**15 - 1)
    labels = [f"EEG {name}-REF" for name in names]
    kinds = [(label, "uV", -1000, 1000, -top - 1, top, sfreq) for label in labels]
    marks = 60 * len(annotations)
    if marks:
        kinds.append(("BDF Annotations" if bdf else "EDF Annotations", "", -1, 1, -top - 1, top, marks))
    header = _edf_header(kinds, n_records, bdf, bool(marks))
    digital = np.round((signals + 1000) / 2000 * (2 * top + 1) - top - 1).astype("<i4")
    with path.open("wb") as file:
        file.write(header)
        for record in range(n_records):
            block = digital[:, record * sfreq : (record + 1) * sfreq]
            file.write(block.copy().view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
            if marks:
                file.write(_edf_annotations(record, annotations).ljust(marks * width, b"\0"))


def _edf_header(kinds, n_records, bdf, plus):
    def text(value, width):
        return str(value).encode("ascii").ljust(width)[:width]

    version = b"\xffBIOSEMI" if bdf else text("0", 8)
    reserved = ("BDF+C" if bdf else "EDF+C") if plus else ("24BIT" if bdf else "")
    start = version + text("X X X X", 80) + text("Startdate 01-JAN-2020 X X X", 80) + b"01.01.2000.00.00"
    start += text(256 * (len(kinds) + 1), 8) + text(reserved, 44) + text(n_records, 8) + text(1, 8)
    start += text(len(kinds), 4)
    columns = [[label for label, *_ in kinds], [""] * len(kinds), [kind[1] for kind in kinds]]
    columns += [[kind[i] for kind in kinds] for i in (2, 3, 4, 5)] + [[""] * len(kinds)]
    columns += [[kind[6] for kind in kinds], [""] * len(kinds)]
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    return start + b"".join(
        text(value, width) for values, width in zip(columns, widths, strict=True) for value in values
    )


def _edf_annotations(record, annotations):
    stamp = f"+{record}\x14\x14\0"
    if record == 0:
        stamp += "".join(f"+{onset}\x15{duration}\x14{text}\x14\0" for onset, duration, text in annotations)
    return stamp.encode("utf-8")


def write_fif(path: Path, signals, names=NAMES, sfreq=128.0, annotations=()):
    import mne

    raw = mne.io.RawArray(signals * 1e-6, mne.create_info(list(names), sfreq, "eeg"), verbose="ERROR")
    if annotations:
        raw.set_annotations(mne.Annotations(*map(list, zip(*annotations, strict=True))))
    raw.save(path, overwrite=True, verbose="ERROR")


def write_set(path: Path, signals, names=NAMES, sfreq=128.0, annotations=()):
    """An EEGLAB dataset: a MATLAB file with the struct EEG; latencies are samples counted from 1."""
    from scipy.io import savemat

    locations = np.array([(name,) for name in names], dtype=[("labels", object)])
    events = [(text, onset * sfreq + 1.0, duration * sfreq) for onset, duration, text in annotations]
    event = np.array(events, dtype=[("type", object), ("latency", object), ("duration", object)])
    content = {"setname": "test", "nbchan": len(names), "trials": 1, "pnts": signals.shape[1], "srate": sfreq}
    content |= {"xmin": 0.0, "xmax": (signals.shape[1] - 1) / sfreq, "data": signals.astype(np.float32)}
    content |= {"chanlocs": locations, "event": event, "epoch": [], "icawinv": [], "icasphere": [], "icaweights": []}
    savemat(path, {"EEG": content}, appendmat=False, oned_as="row")


def write_brainvision(path: Path, signals, names=NAMES, sfreq=128, annotations=()):
    """The `.vhdr`, `.vmrk` and `.eeg` of a BrainVision recording, multiplexed 32 bit floats in µV."""
    channels = "\n".join(f"Ch{i}={name},,1,µV" for i, name in enumerate(names, start=1))
    header = (
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(names)}\nSamplingInterval={1e6 / sfreq:g}\n\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n\n[Channel Infos]\n{channels}\n"
    )
    marks = [f"Mk{i}=Stimulus,{text},{round(onset * sfreq) + 1},{round(duration * sfreq)},0"
             for i, (onset, duration, text) in enumerate(annotations, start=2)]  # fmt: skip
    markers = (
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\n"
    )
    path.write_text(header, encoding="utf-8")
    path.with_suffix(".vmrk").write_text(markers + "\n".join(marks) + "\n", encoding="utf-8")
    signals.T.astype("<f4").tofile(path.with_suffix(".eeg"))


def python2_pickle(arrays):
    """A dict of float64 arrays as Python 2 wrote it with protocol 2: byte strings, NumPy's old modules."""
    items = b"".join(_short_string(name) + _python2_array(array) for name, array in arrays.items())
    return b"\x80\x02}(" + items + b"u."


def _python2_array(array):
    shape = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in array.shape) + b"t"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _short_string("b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + _short_string("f8") + b"K\x00K\x01\x87R(K\x03" + _short_string("<")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = array.astype("<f8").tobytes()
    return empty + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"


def _short_string(text):
    return b"U" + bytes([len(text)]) + text.encode("ascii")
