#!/usr/bin/env python3
"""What OpenCV's own FaceDetectorYN finds, as JSON: {picture: [[x, y, width, height, x and y of five points, score]]}.

    opencv_faces.py YUNET.onnx FOLDER PICTURE...       pictures by their paths below the folder

Needs OpenCV 4.8 or newer, whose FaceDetectorYN reads this form of the network."""
import json
import sys

import cv2

THRESHOLD, OVERLAP, TOP_K = 0.5, 0.3, 5000


def main():
    network, folder, pictures = sys.argv[1], sys.argv[2], sys.argv[3:]
    detector = cv2.FaceDetectorYN.create(network, "", (320, 320), THRESHOLD, OVERLAP, TOP_K)
    found = {}
    for name in pictures:
        picture = cv2.imread(f"{folder}/{name}")
        if picture is None:
            sys.exit(f"{folder}/{name}: not a picture")
        detector.setInputSize((picture.shape[1], picture.shape[0]))
        faces = detector.detect(picture)[1]
        found[name] = [] if faces is None else [[round(float(number), 4) for number in face] for face in faces]
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(faces)}" for name, faces in found.items())
    print(f"{{\n{rows}\n}}")


if __name__ == "__main__":
    main()
