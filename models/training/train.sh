#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts or resumes the training in a folder: train.sh FOLDER [options of train.py]
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/logs" "$1/bin"
cd "$1"
folder=$(pwd)
shift
if [ ! -x venv/bin/python ]; then
  python3 -m venv venv
  venv/bin/pip install --no-cache-dir torch==2.6.0 numpy
fi
cat > environment <<END
export PATH="$folder/venv/bin:\$PATH" GST_NPU_TRAINING="$folder/bin" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
END
. ./environment
make -s -C "$here" BUILD="$folder/bin"
running () { pgrep -f "$here/$1" > /dev/null; }
running make_clips.py || setsid nohup nice -n 15 python "$here/make_clips.py" --out clips --clips 400000 --idle 0.6 \
  >> logs/clips.log 2>&1 &
if [ ! -e clips-festival.done ] && ! running festival.py; then
  (setsid nohup nice -n 19 python "$here/festival.py" --out clips --shards 60 && touch clips-festival.done) \
    >> logs/festival.log 2>&1 &
fi
until [ "$(ls clips/*.json 2> /dev/null | wc -l)" -ge 4 ]; do sleep 2; done
running train.py || setsid nohup nice -n 10 python -u "$here/train.py" --clips clips --folder run1 "$@" \
  >> logs/train.log 2>&1 &
echo "Training in $folder; progress: tail -f $folder/logs/train.log"
