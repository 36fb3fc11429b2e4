"""The steps of scripts/bench/peers.py: each runs alone, in a process of its own.

    python peer_steps.py STEP PLACE WORK

PLACE holds the pictures, weights and vectors that all compare, WORK what one of them leaves for
its later steps, which is also the working directory. What only one of them needs is imported
where it is used: every peer has an environment of its own, and pays only for its own imports.

Answers, as files in WORK: vectors.npy (N, D) of the sorted pictures; neighbors.npy (Q, 10) of
rows; answer.json with names of pictures, pairs of names, or an accuracy.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

K = 10
BATCH = 32  # pictures a forward pass, for all
GOAL = 0.98  # recall of approximate search
TRIED = (16, 32, 64, 128, 256, 512, 1024, 2048)  # candidates of a graph, until the goal is met
CORES = len(os.sched_getaffinity(0))
VOTES = 20  # neighbors that vote
TEMPERATURE = 0.07
RCLIP_ARCH = "ViT-B-32-256"  # the only one of rclip

# ---- artsim: its commands


def artsim(*arguments: object) -> None:
    """Run a command of artsim in this process."""
    as_command("artsim", *arguments)


def artsim_embed(place: Path, work: Path) -> None:
    artsim("embed", place / "pictures", "-o", "index", *model_of(place, arch_of(place)))


def artsim_embed_256(place: Path, work: Path) -> None:
    artsim("embed", place / "pictures", "-o", "index", *model_of(place, RCLIP_ARCH))


def artsim_query(place: Path, work: Path) -> None:
    artsim("similar", place / "query.jpg", "--index", "index", "-k", K, "--json")


def model_of(place: Path, arch: str) -> tuple[object, ...]:
    return "-m", f"open_clip:{arch}", "--weights", weights_of(place, arch)


def artsim_import(place: Path, work: Path) -> None:
    artsim("import-vectors", place / "vectors.npy", "--ids", place / "ids.txt", "-o", "index")


def artsim_index(place: Path, work: Path) -> None:
    artsim("index", "index", "--recall", GOAL)


def artsim_by_id(place: Path, work: Path) -> None:
    artsim("similar", "index", "--id", settings(place)["id"], "-k", K, "--json")


def artsim_search(place: Path, work: Path) -> None:
    artsim("similar", "index", "--ids", place / "queries.txt", "-k", K, "-o", "matches.parquet")


def artsim_import_labeled(place: Path, work: Path) -> None:
    catalog = ("--catalog", place / "labeled/objects.csv", "--catalog-id", "id")
    vectors, ids = place / "labeled/vectors.npy", place / "labeled/ids.txt"
    artsim("import-vectors", vectors, "--ids", ids, *catalog, "-o", "index")


def artsim_knn_eval(place: Path, work: Path) -> None:
    artsim("knn-eval", "index", "--label", "class", "-k", VOTES, "--json")


def artsim_probe(place: Path, work: Path) -> None:
    artsim("probe", "index", "--label", "class", "--split", "part", "--no-save", "--json")


def artsim_embed_copies(place: Path, work: Path) -> None:
    artsim("embed", place / "copies", "-o", "index")


def artsim_dupes(place: Path, work: Path) -> None:
    artsim("dupes", "index", "-o", "pairs.csv")


# ---- open_clip: the loop that its README shows, with a DataLoader


def open_clip_embed(place: Path, work: Path) -> None:
    import numpy as np
    import torch
    from PIL import Image

    model, transform = clip(place)
    files = pictures(place)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, n: int) -> Any:
            return transform(Image.open(files[n]))

    loader = torch.utils.data.DataLoader(Pictures(), batch_size=BATCH, num_workers=CORES)
    with torch.inference_mode():
        vectors = [model.encode_image(batch, normalize=True).numpy() for batch in loader]
    np.save(work / "vectors.npy", np.concatenate(vectors))


def open_clip_query(place: Path, work: Path) -> None:
    import numpy as np
    import torch
    from PIL import Image

    model, transform = clip(place)
    with torch.inference_mode():
        image = transform(Image.open(place / "query.jpg"))[None]
        query = model.encode_image(image, normalize=True).numpy()[0]
    best = np.argsort(-(np.load(work / "vectors.npy") @ query))[:K]
    answer_names(place, work, best)


def clip(place: Path) -> tuple[Any, Any]:
    import open_clip

    arch = arch_of(place)
    weights = str(weights_of(place, arch))
    model, _, transform = open_clip.create_model_and_transforms(arch, pretrained=weights)
    return model.eval(), transform


# ---- sentence-transformers: the same CLIP in the format of transformers


def sentence_transformers_convert(place: Path, work: Path) -> None:
    import open_clip
    from open_clip.tokenizer import SimpleTokenizer
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    arch = arch_of(place)
    config = open_clip.get_model_config(arch)
    image, text = ({**config[f"{half}_cfg"]} for half in ("vision", "text"))
    for half in (image, text):
        width = half.pop("width")
        half |= {"hidden_size": width, "intermediate_size": 4 * width, "hidden_act": "gelu"}
        half |= {"num_hidden_layers": half.pop("layers")}
        half |= {"num_attention_heads": half.pop("heads", width // 64)}
    dim = config["embed_dim"]
    model = CLIPModel(CLIPConfig(vision_config=image, text_config=text, projection_dim=dim))
    model.load_state_dict(renamed(load_file(weights_of(place, arch))))
    words = SimpleTokenizer()
    ends = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {ends.get(word, word): number for word, number in words.encoder.items()}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=list(words.bpe_ranks))
    model.save_pretrained(work / "clip")
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(work / "clip")
    SentenceTransformer(modules=[Transformer(str(work / "clip"))]).save(str(work / "model"))


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    """Return the tensors of an open_clip model by the names that transformers gives them."""
    names = (
        ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
        ("visual.conv1", "vision_model.embeddings.patch_embedding"),
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("visual.transformer.resblocks", "vision_model.encoder.layers"),
        ("visual.proj", "visual_projection.weight"),
        ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("transformer.resblocks", "text_model.encoder.layers"),
        ("token_embedding", "text_model.embeddings.token_embedding"),
        ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
        ("ln_final", "text_model.final_layer_norm"),
        ("text_projection", "text_projection.weight"),
    )
    parts = (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.", "self_attn."))
    parts += (("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"))
    found = {}
    for name, tensor in tensors.items():
        start, new = next((each for each in names if name.startswith(each[0])), ("", ""))
        name = new + name[len(start) :]
        for old, new in parts:
            name = name.replace(old, new)
        if "in_proj_" in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                found[name.replace("in_proj_", f"{letter}_proj.")] = part.contiguous()
        else:
            projects = name.endswith("_projection.weight")
            found[name] = tensor.T.contiguous() if projects else tensor
    return found


def sentence_transformers_embed(place: Path, work: Path) -> None:
    import numpy as np
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(work / "model"))
    images = [Image.open(file) for file in pictures(place)]
    vectors = model.encode(images, batch_size=BATCH, normalize_embeddings=True)
    np.save(work / "vectors.npy", vectors)


def sentence_transformers_query(place: Path, work: Path) -> None:
    import numpy as np
    from PIL import Image
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(str(work / "model"))
    query = model.encode(Image.open(place / "query.jpg"))
    found = util.semantic_search(query, np.load(work / "vectors.npy"), top_k=K)[0]
    answer_names(place, work, [each["corpus_id"] for each in found])


# ---- clip-retrieval: its commands; the query is what its service computes for a request


def clip_retrieval_embed(place: Path, work: Path) -> None:
    folders = (f"--input_dataset={place / 'pictures'}", "--output_folder=embeddings")
    model = f"--clip_model={clip_retrieval_model(place)}"
    workers = (f"--batch_size={BATCH}", f"--num_prepro_workers={CORES}")
    as_command("clip-retrieval", "inference", *folders, model, "--enable_text=False", *workers)


def clip_retrieval_index(place: Path, work: Path) -> None:
    folders = ("--embeddings_folder=embeddings", "--index_folder=index")
    as_command("clip-retrieval", "index", *folders)


def clip_retrieval_query(place: Path, work: Path) -> None:
    import base64

    from clip_retrieval.clip_back import ClipOptions, KnnService, load_clip_indices

    (work / "indices.json").write_text(json.dumps({"pictures": "index"}))
    options = ClipOptions(
        indice_folder="",
        clip_model=clip_retrieval_model(place),
        enable_hdf5=False,
        enable_faiss_memory_mapping=False,
        columns_to_return=["image_path"],
        reorder_metadata_by_ivf_index=False,
        enable_mclip_option=False,
        use_jit=False,
        use_arrow=False,
        provide_safety_model=False,
        provide_violence_detector=False,
        provide_aesthetic_embeddings=False,
    )
    service = KnnService(clip_resources=load_clip_indices("indices.json", options))
    image = base64.b64encode((place / "query.jpg").read_bytes())
    found = service.query(
        image_input=image, num_images=K, num_result_ids=K, use_mclip=False, deduplicate=False
    )
    answer(work, [Path(each["image_path"]).name for each in found])


def clip_retrieval_model(place: Path) -> str:
    arch = arch_of(place)
    return f"open_clip:{arch}/{weights_of(place, arch)}"


# ---- rclip: its command; weights in the place and format of those that it downloads


def rclip_convert(place: Path, work: Path) -> None:
    import shutil

    import open_clip
    import torch
    from open_clip import tokenizer

    folder = work / "rclip" / f"{RCLIP_ARCH}-datacomp_s34b_b86k"
    folder.mkdir(parents=True, exist_ok=True)
    weights = str(weights_of(place, RCLIP_ARCH))
    model = open_clip.create_model(RCLIP_ARCH, pretrained=weights).eval()
    size = model.visual.image_size[0]
    torch.onnx.export(
        model.visual,
        (torch.zeros(2, 3, size, size),),
        folder / "visual.onnx",
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
    )
    (folder / "textual.onnx").touch()  # read only for words
    words = Path(tokenizer.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    (work / "rclip/tokenizer").mkdir(exist_ok=True)
    shutil.copy(words, work / "rclip/tokenizer")


def rclip_embed(place: Path, work: Path) -> None:
    """Index and answer the first query, which is one command."""
    rclip(place, work)


def rclip_query(place: Path, work: Path) -> None:
    rclip(place, work, "--no-indexing")


def rclip(place: Path, work: Path, *options: str) -> None:
    os.environ["RCLIP_DATADIR"] = str(work / "rclip")
    os.chdir(place / "pictures")
    batch = ("--indexing-batch-size", BATCH)
    as_command("rclip", place / "query.jpg", "--top", K, "--filepath-only", *batch, *options)


# ---- dinotool: its command; weights in the cache of the hub that it downloads from


def dinotool_convert(place: Path, work: Path) -> None:
    import shutil

    import open_clip

    arch = arch_of(place)
    folder = work / "hub/models--timm--clip-random"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    config = {"model_cfg": open_clip.get_model_config(arch), "preprocess_cfg": {}}
    (snapshot / "open_clip_config.json").write_text(json.dumps(config))
    shutil.copy(weights_of(place, arch), snapshot / "open_clip_model.safetensors")


def dinotool_embed(place: Path, work: Path) -> None:
    os.environ["HF_HUB_CACHE"] = str(work / "hub")
    model = ("--model-name", "hf-hub:timm/clip-random", "--input-size", 224, 224)
    what = ("--save-features", "frame", "--no-vis", "--batch-size", BATCH, "--force")
    as_command("dinotool", place / "pictures", "--output", work / "features", *model, *what)


# ---- faiss


def faiss_flat(place: Path, work: Path) -> None:
    faiss_write(place, work, "Flat")


def faiss_graph(place: Path, work: Path) -> None:
    faiss_write(place, work, "HNSW32")


def faiss_write(place: Path, work: Path, kind: str) -> None:
    import faiss

    vectors = unit(place / "vectors.npy")
    index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    faiss.write_index(index, str(work / "index.faiss"))


def faiss_by_id(place: Path, work: Path) -> None:
    import faiss

    index = faiss.read_index(str(work / "index.faiss"), faiss.IO_FLAG_MMAP)
    row = row_of(place)
    _, found = index.search(index.reconstruct(row)[None], K + 1)
    answer_ids(place, work, found[0], row)


def faiss_search(place: Path, work: Path) -> None:
    """Search with all queries; with as many candidates as were found to be enough, if any were."""
    import faiss
    import numpy as np

    index = faiss.read_index(str(work / "index.faiss"))
    if (work / "candidates.txt").exists():
        faiss.ParameterSpace().set_index_parameter(index, "efSearch", candidates(work))
    rows = np.load(place / "queries.npy")
    _, found = index.search(unit(place / "vectors.npy", rows), K + 1)
    answer_rows(work, found, rows)


def faiss_tune(place: Path, work: Path) -> None:
    import faiss

    index = faiss.read_index(str(work / "index.faiss"))

    def search(queries: Any, n: int) -> Any:
        faiss.ParameterSpace().set_index_parameter(index, "efSearch", n)
        return index.search(queries, K + 1)[1]

    tune(place, work, search)


# ---- autofaiss: the index that it chooses; with more candidates if its own miss the goal


def autofaiss_build(place: Path, work: Path) -> None:
    import numpy as np
    from autofaiss import build_index

    build_index(
        np.ascontiguousarray(unit(place / "vectors.npy")),
        index_path=str(work / "index.faiss"),
        index_infos_path=str(work / "index.json"),
        nb_cores=CORES,
    )


# ---- usearch


def usearch_exact(place: Path, work: Path) -> None:
    import numpy as np
    from usearch.index import search

    vectors, rows = unit(place / "vectors.npy"), np.load(place / "queries.npy")
    found = search(vectors, vectors[rows], K + 1, exact=True).keys
    answer_rows(work, found, rows)


def usearch_build(place: Path, work: Path) -> None:
    import numpy as np
    from usearch.index import Index

    vectors = np.load(place / "vectors.npy")
    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f16")
    index.add(np.arange(len(vectors)), vectors)
    index.save(str(work / "index.usearch"))


def usearch_by_id(place: Path, work: Path) -> None:
    from usearch.index import Index

    index = Index.restore(str(work / "index.usearch"), view=True)
    row = row_of(place)
    found = index.search(index.get(row), K + 1).keys
    answer_ids(place, work, found, row)


def usearch_search(place: Path, work: Path) -> None:
    import numpy as np
    from usearch.index import Index

    index = Index.restore(str(work / "index.usearch"), view=True)
    index.expansion_search = candidates(work)
    rows = np.load(place / "queries.npy")
    answer_rows(work, index.search(np.load(place / "vectors.npy")[rows], K + 1).keys, rows)


def usearch_tune(place: Path, work: Path) -> None:
    from usearch.index import Index

    index = Index.restore(str(work / "index.usearch"), view=True)

    def search(queries: Any, n: int) -> Any:
        index.expansion_search = n
        return index.search(queries, K + 1).keys

    tune(place, work, search)


# ---- scikit-learn


def scikit_learn_search(place: Path, work: Path) -> None:
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    vectors, rows = np.load(place / "vectors.npy"), np.load(place / "queries.npy")
    index = NearestNeighbors(n_neighbors=K + 1, metric="cosine", algorithm="brute").fit(vectors)
    answer_rows(work, index.kneighbors(vectors[rows], return_distance=False), rows)


def scikit_learn_by_id(place: Path, work: Path) -> None:
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    vectors, row = np.load(place / "vectors.npy"), row_of(place)
    index = NearestNeighbors(n_neighbors=K + 1, metric="cosine", algorithm="brute").fit(vectors)
    found = index.kneighbors(vectors[row : row + 1], return_distance=False)[0]
    answer_ids(place, work, found, row)


def scikit_learn_knn_eval(place: Path, work: Path) -> None:
    """Predict each from its neighbors without itself, with artsim's weights of votes."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    vectors, classes, _ = labeled(place)
    model = KNeighborsClassifier(
        VOTES,
        weights=lambda distance: np.exp((1 - distance) / TEMPERATURE),
        metric="cosine",
        algorithm="brute",
    )
    predicted = model.fit(vectors, classes).predict(None)
    answer(work, float((predicted == classes).mean()))


def scikit_learn_probe(place: Path, work: Path) -> None:
    """Choose of artsim's strengths by the validation set, fit again, evaluate on the test set."""
    import numpy as np
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit

    vectors, classes, part = labeled(place)
    test = part == "test"
    fold = PredefinedSplit(np.where(part == "val", 0, -1)[~test])
    model = LogisticRegressionCV(
        Cs=settings(place)["strengths"], cv=fold, max_iter=1000, scoring="accuracy"
    )
    model.fit(vectors[~test], classes[~test])
    answer(work, float(model.score(vectors[test], classes[test])))


# ---- imagededup: its hashes, and its network method with the weights that artsim uses


def imagededup_hashes(place: Path, work: Path) -> None:
    from imagededup.methods import PHash

    found = PHash(verbose=False).find_duplicates(image_dir=str(place / "copies"))
    answer_pairs(work, found)


def imagededup_network(place: Path, work: Path) -> None:
    import timm
    from imagededup.methods import CNN
    from imagededup.utils import CustomModel

    weights = place / "lite0.pth"
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0, checkpoint_path=weights)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    method = CNN(verbose=False, model_config=CustomModel("lite0", model.eval(), transform))
    answer_pairs(work, method.find_duplicates(image_dir=str(place / "copies")))


# ---- fiftyone: similarity in its database


def fiftyone_build(place: Path, work: Path) -> None:
    import fiftyone
    import fiftyone.brain
    import numpy as np

    dataset = fiftyone.Dataset("vectors", persistent=True, overwrite=True)
    names = (place / "ids.txt").read_text().split()
    samples = [fiftyone.Sample(filepath=f"/pictures/{name}.jpg", work=name) for name in names]
    dataset.add_samples(samples)
    dataset.create_index("work")
    fiftyone.brain.compute_similarity(
        dataset, embeddings=np.load(place / "vectors.npy"), brain_key="similar", backend="sklearn"
    )


def fiftyone_by_id(place: Path, work: Path) -> None:
    import fiftyone

    dataset = fiftyone.load_dataset("vectors")
    work_id = settings(place)["id"]
    sample = dataset.one(fiftyone.ViewField("work") == work_id)
    found = dataset.sort_by_similarity(sample.id, k=K + 1, brain_key="similar").values("work")
    answer(work, [name for name in found if name != work_id][:K])


# ---- what the steps share


def as_command(name: str, *arguments: object) -> None:
    """Run an installed command in this process, as its script does."""
    from importlib.metadata import entry_points

    sys.argv = [name, *map(str, arguments)]
    if name == "artsim":  # may run from a checkout that is not the installed one
        runpy.run_module("artsim", run_name="__main__")
        return
    (script,) = entry_points(group="console_scripts", name=name)
    script.load()()


def settings(place: Path) -> dict[str, Any]:
    return json.loads((place / "settings.json").read_text())


def arch_of(place: Path) -> str:
    return settings(place)["arch"]


def weights_of(place: Path, arch: str) -> Path:
    return place / f"{arch}.safetensors"


def pictures(place: Path) -> list[Path]:
    return sorted((place / "pictures").iterdir())


def unit(file: Path, rows: Any = slice(None)) -> Any:
    """Read vectors and scale them to unit length."""
    import numpy as np

    vectors = np.load(file)[rows]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def labeled(place: Path) -> tuple[Any, Any, Any]:
    """Read unit vectors, their classes and splits."""
    import pandas as pd

    table = pd.read_csv(place / "labeled/objects.csv")
    return unit(place / "labeled/vectors.npy"), table["class"].to_numpy(), table["part"].to_numpy()


def row_of(place: Path) -> int:
    return (place / "ids.txt").read_text().split().index(settings(place)["id"])


def tune(place: Path, work: Path, search: Callable[[Any, int], Any]) -> None:
    """Store the smallest of TRIED that finds enough of the neighbors of other queries."""
    import numpy as np

    rows, truth = np.load(place / "tuning.npy"), np.load(place / "tuning-truth.npy")
    queries = unit(place / "vectors.npy", rows)
    for n in TRIED:
        if recall(without_itself(search(queries, n), rows), truth) >= GOAL:
            break
    (work / "candidates.txt").write_text(str(n))


def candidates(work: Path) -> int:
    return int((work / "candidates.txt").read_text())


def recall(found: Any, truth: Any) -> float:
    """Return the share of the true neighbors (Q, K) that are among those found."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return sum(len({*a} & {*b}) for a, b in pairs) / truth.size


def without_itself(found: Any, rows: Any) -> Any:
    """Leave out the query of each of the found (Q, K + 1), or the last."""
    import numpy as np

    found = np.asarray(found).astype(np.int64)
    itself = found == np.asarray(rows)[:, None]
    itself[~itself.any(axis=1), -1] = True
    return found[~itself].reshape(len(found), -1)


def answer(work: Path, found: object) -> None:
    (work / "answer.json").write_text(json.dumps(found))


def answer_names(place: Path, work: Path, rows: Iterable[int]) -> None:
    files = pictures(place)
    answer(work, [files[row].name for row in rows])


def answer_ids(place: Path, work: Path, found: Iterable[int], row: int) -> None:
    ids = (place / "ids.txt").read_text().split()
    answer(work, [ids[each] for each in found if each != row][:K])


def answer_rows(work: Path, found: Any, rows: Any) -> None:
    import numpy as np

    np.save(work / "neighbors.npy", without_itself(found, rows))


def answer_pairs(work: Path, found: dict[str, list[str]]) -> None:
    answer(work, sorted({tuple(sorted((a, b))) for a, several in found.items() for b in several}))


if __name__ == "__main__":
    _, step, at, into = sys.argv
    sys.path.pop(0)  # no other script of this folder is imported for a module of a peer
    os.chdir(into)
    globals()[step](Path(at), Path(into))
