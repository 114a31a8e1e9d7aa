"""Codes of media operators: what their settings and inputs cannot be, and what this machine lacks for them."""

from stream.error_codes.entry import bad_media, bad_request, unavailable

MEDIA = (
    bad_request(
        "template_invalid",
        "A template, a row of its values or a setting of an operator is wrong; the message names the field.",
        "Change what the message names, and check again before you submit.",
    ),
    unavailable(
        "toolchain_lacks",
        "This machine lacks something that the work needs, such as an encoder; the message names it.",
        "Install what is named, or choose a profile that does without it. Other machines may take the work meanwhile.",
    ),
    bad_media("cut_off", "The file ends before its header says it does.", "Upload it again, whole."),
    bad_media(
        "unsupported_size",
        "The encoder of the profile cannot take pictures of this size and rate.",
        "Set width, height or fps to what the profile allows, or choose another profile.",
    ),
    bad_media(
        "unsupported_sound",
        "The sound of a film cannot be copied into Matroska as it is.",
        "Transcode the film first, for example with the profile `h264_web`.",
    ),
    bad_media(
        "loudness_unreachable",
        "The sound cannot have the wanted loudness and stay below the wanted true peak.",
        "Lower the target, or allow a higher true peak.",
    ),
    bad_media(
        "not_streamable",
        "HLS and DASH cannot carry the film as it is encoded.",
        "Transcode it first, for example with the profile `h264_web`.",
    ),
    bad_media(
        "part_damaged",
        "What was kept of a part of the work is not whole.",
        "Submit the job again: the part is made anew. If it comes again, check the object store.",
    ),
)
