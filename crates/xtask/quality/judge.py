"""judge.py SPEECH_FOLDER THROUGH SCRATCH: what is left of three voices after the mixer, by PESQ (ITU-T P.862,
narrowband). THROUGH is the example `through` of crate mix. Ends with 1 where a bound is missed."""

import os
import subprocess
import sys
import wave

import numpy
import scipy.signal
from pesq import pesq

RATE = 8_000
SEEDS = range(1, 13)
# Loss in percent, jitter in ms, least mean score. Mu-law alone has 4.17 with these voices.
CASES = [(0, 0, 4.1), (0, 30, 4.0), (5, 0, 2.8), (5, 30, 2.8)]


def speech(folder):
    """The voices one after another, half a second of silence before and after."""
    pause = numpy.zeros(RATE // 2, "<i2")
    voices = []
    for name in ("alice", "bob", "carol"):
        with wave.open(os.path.join(folder, name + ".wav")) as file:
            voices.append(numpy.frombuffer(file.readframes(file.getnframes()), "<i2"))
    return numpy.concatenate([pause, *voices, pause])


def score(said, through, scratch, loss, jitter, seed):
    spoken, heard = os.path.join(scratch, "said.raw"), os.path.join(scratch, "heard.raw")
    said.tofile(spoken)
    words = [through, spoken, heard, str(loss), str(jitter), str(seed)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    got = numpy.fromfile(heard, "<i2").astype(float)
    likeness = scipy.signal.correlate(got, said.astype(float), "full", method="fft")
    lag = int(numpy.argmax(likeness)) - len(said) + 1
    got = numpy.concatenate([numpy.zeros(max(-lag, 0)), got[max(lag, 0):]])[: len(said)]
    return pesq(RATE, said[: len(got)] / 32768.0, got / 32768.0, "nb")


def main():
    folder, through, scratch = sys.argv[1:]
    said, missed = speech(folder), False
    for loss, jitter, least in CASES:
        scores = [score(said, through, scratch, loss, jitter, seed) for seed in SEEDS]
        mean = sum(scores) / len(scores)
        missed |= mean < least
        verdict = "below" if mean < least else "at least"
        print(f"loss {loss} %, jitter {jitter} ms: PESQ {mean:.2f} ({min(scores):.2f} to {max(scores):.2f}), "
              f"{verdict} {least}", flush=True)
    sys.exit(1 if missed else 0)


main()
