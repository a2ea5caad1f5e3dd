"""What the network of the teaching genome is trained to make small.

Every loss is relative to that of the best constant, so that the modalities count alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.card import Track
from models.teaching.motifs import Ints
from models.teaching.samples import FRACTIONS, Sample, base_tracks, bin_tracks
from models.teaching_net import CLOSED, Network, Outputs
from models.teaching_net_junctions import LARGEST_LOGIT, SHORTEST_INTRON, splice_sites
from models.teaching_net_layers import TOKEN

#: Part of a window at either end that does not count.
MARGIN = 1 / 8
#: Weight of each part of the loss.
WEIGHTS = {
    "ATAC": 1.0, "DNASE": 1.0, "SPLICE_SITES": 3.0, "SPLICE_SITE_USAGE": 1.0, "CAGE": 1.0,
    "PROCAP": 1.0, "RNA_SEQ": 5.0, "CHIP_HISTONE": 1.0, "CHIP_TF": 1.0, "CONTACT_MAPS": 0.5,
    "SPLICE_JUNCTIONS": 5.0, "log ATAC": 0.25, "log DNASE": 0.25, "log CAGE": 0.4,
    "log PROCAP": 0.3, "log RNA_SEQ": 0.3,
    "change ATAC": 0.7, "change DNASE": 0.5, "change CHIP_TF": 0.5, "change SPLICE_SITES": 0.5,
    "change of expression": 1.5,
}  # fmt: skip
#: Open chromatin between these counts in the logarithmic loss, so that weak sites count too.
OPEN_RANGE = (5e-4, 0.999)
#: Square root of an amount from which it counts in the logarithmic loss, so that silent genes do.
LEAST_LOGGED = 0.25
#: Places on which the logarithmic loss of an amount is spread at least.
FEWEST_LOGGED = 20
#: Weight of the logarithm of reads beside the deviance.
LOGGED_READS = 0.5
#: Splice sites this little used are no candidates for junctions.
LEAST_USE = 0.02


def n_fractions(tracks: tuple[Track, ...]) -> int:
    """Returns how many tracks are between 0 and 1; they come first."""
    return sum(t.modality in FRACTIONS for t in tracks)


def targets(values: npt.NDArray[np.float32], tracks: tuple[Track, ...]) -> Tensor:
    """Returns what the network should say of tracks: fractions, and square roots of amounts."""
    n_open = sum(t.modality in ("ATAC", "DNASE") for t in tracks)
    result = values.copy()
    result[..., :n_open] -= CLOSED
    np.clip(result[..., :n_open], 0, 1, out=result[..., :n_open])
    amounts = result[..., n_fractions(tracks) :]
    np.sqrt(amounts, out=amounts)
    return torch.from_numpy(result)


@dataclass(frozen=True)
class Usual:
    """What the best constants say.

    Attributes:
        base_means: Mean target of each of ``base_tracks()``.
        base_losses: Loss of that mean.
        bin_means: The same of ``bin_tracks()``.
        bin_losses: The same.
        contacts: Mean logarithm of contacts at each distance in bins; (bins,).
        contact_loss: Variance around it.
        junction_loss: Loss of the mean over pairs of sites.
    """

    base_means: Tensor
    base_losses: Tensor
    bin_means: Tensor
    bin_losses: Tensor
    contacts: Tensor
    contact_loss: Tensor
    junction_loss: Tensor

    def to(self, device: torch.device) -> Usual:
        """Moves it."""
        return Usual(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def deviance(target: Tensor, logarithm: Tensor) -> Tensor:
    """Poisson deviance, halved: 0 where the prediction is right."""
    predicted = logarithm.exp()
    own = torch.special.xlogy(target, target)
    result: Tensor = own - target * logarithm - target + predicted
    return result


def measure(samples: list[Sample]) -> Usual:
    """Finds the best constants of some samples."""
    bases = torch.cat([targets(s.bases, base_tracks()) for s in samples])
    bins = torch.cat([targets(s.bins, bin_tracks()) for s in samples])
    base_means, bin_means = bases.mean(0), bins.mean(0)
    n = n_fractions(base_tracks())
    entropy = functional.binary_cross_entropy(base_means[:n], base_means[:n], reduction="none")
    base_deviance = deviance(bases[:, n:], base_means[n:].log()).mean(0)
    logs = [torch.from_numpy(np.log(s.contacts)) for s in samples]
    n_bins = logs[0].shape[-1]
    usual = torch.stack(
        [torch.cat([x.diagonal(d, 1, 2).flatten() for x in logs]).mean() for d in range(n_bins)]
    )
    apart = (torch.arange(n_bins)[:, None] - torch.arange(n_bins)).abs()
    pairs = torch.cat([pair_reads(s, forward)[2].flatten() for s in samples for forward in (1, 0)])
    return Usual(
        base_means,
        torch.cat([entropy, base_deviance]),
        bin_means,
        deviance(bins, bin_means.log()).mean(0),
        usual,
        torch.cat([(x - usual[apart]).flatten() for x in logs]).var(),
        deviance(pairs, pairs.mean().log()).mean(),
    )


def pair_reads(
    sample: Sample, forward: bool | int, supposed: tuple[Ints, Ints] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the splice sites of a strand and the square root of reads between them.

    Args:
        sample: The window.
        forward: Whether the plus strand is meant.
        supposed: Donors and acceptors that are listed, too, used or not.

    Returns:
        Last bases of exons, first bases of exons; and (cells, donors, acceptors).
    """
    mine = sample.forward == bool(forward)
    introns, reads = sample.introns[mine], sample.reads[:, mine]
    used = reads.max(0, initial=0) > LEAST_USE
    introns, reads = introns[used], reads[:, used]
    ends = introns if forward else introns[:, ::-1]
    at = ends + (np.array([-1, 0]) if forward else np.array([0, -1]))
    donors, acceptors = (
        np.unique(np.concatenate([at[:, i], supposed[i]])) if supposed else np.unique(at[:, i])
        for i in (0, 1)
    )
    table = np.zeros((len(reads), len(donors), len(acceptors)), np.float32)
    table[:, np.searchsorted(donors, at[:, 0]), np.searchsorted(acceptors, at[:, 1])] = np.sqrt(
        reads
    )
    return torch.from_numpy(donors), torch.from_numpy(acceptors), torch.from_numpy(table)


def losses(network: Network, outputs: Outputs, sample: Sample, usual: Usual) -> dict[str, Tensor]:
    """Returns the loss of each modality over that of the best constant.

    Args:
        network: Whose junctions are asked for.
        outputs: Of one window.
        sample: The same window.
        usual: The best constants.
    """
    junctions = junction_loss(network, outputs, sample) / usual.junction_loss
    return track_losses(outputs, sample, usual) | {
        "CONTACT_MAPS": contact_loss(outputs, sample, usual),
        "SPLICE_JUNCTIONS": junctions,
    }


def true_values(sample: Sample, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the targets of ``base_tracks()`` and ``bin_tracks()`` within the margins."""
    bases, bins = _inner(sample)
    return (
        targets(sample.bases[bases], base_tracks()).to(device),
        targets(sample.bins[bins], bin_tracks()).to(device),
    )


def said_values(outputs: Outputs, sample: Sample) -> tuple[Tensor, Tensor]:
    """Returns what the network said there, (places, tracks) both."""
    bases, bins = _inner(sample)
    return outputs.bases[0, bases].float(), outputs.bins[0, bins].float()


def _inner(sample: Sample) -> tuple[slice, slice]:
    margin = int(MARGIN * len(sample.codes))
    bins = slice(margin // TOKEN, len(sample.bins) - margin // TOKEN)
    return slice(margin, len(sample.codes) - margin), bins


def track_losses(outputs: Outputs, sample: Sample, usual: Usual) -> dict[str, Tensor]:
    """Returns the part of ``losses`` that has values along the sequence."""
    found = {}
    for tracks, wanted, said, constant in zip(
        (base_tracks(), bin_tracks()),
        true_values(sample, outputs.bases.device),
        said_values(outputs, sample),
        (usual.base_losses, usual.bin_losses),
        strict=True,
    ):
        n = n_fractions(tracks)
        amounts = said[:, n:].clamp(max=LARGEST_LOGIT)
        by_track = torch.cat([
            functional.binary_cross_entropy_with_logits(
                said[:, :n], wanted[:, :n], reduction="none"
            ).mean(0),
            # The deviance, but for what does not depend on the network.
            (amounts.exp() - wanted[:, n:] * amounts).mean(0),
        ]) / constant  # fmt: skip
        for modality, columns in columns_by_modality(tracks):
            found[modality] = by_track[columns].mean()
            if f"log {modality}" in WEIGHTS:
                found[f"log {modality}"] = log_loss(modality, said[:, columns], wanted[:, columns])
    return found


def log_loss(modality: str, said: Tensor, wanted: Tensor) -> Tensor:
    """Returns the mean squared error of logits of open chromatin, or of logarithms of amounts.

    The other losses hardly see what is nearly closed or nearly silent, where most variants act.

    Args:
        modality: Whose.
        said: What the network said, logits or logarithms; (places, tracks).
        wanted: The targets; (places, tracks).
    """
    if modality in ("ATAC", "DNASE"):
        return (said - torch.logit(wanted.clamp(*OPEN_RANGE))).square().mean()
    there = wanted >= LEAST_LOGGED
    off = said - wanted.clamp(min=LEAST_LOGGED).log()
    return (off.square() * there).sum() / there.sum().clamp(min=FEWEST_LOGGED)


def columns_by_modality(tracks: tuple[Track, ...]) -> Iterator[tuple[str, slice]]:
    """Yields each modality and where its tracks stand, which is side by side."""
    names = [t.modality for t in tracks]
    for name in dict.fromkeys(names):
        yield name, slice(names.index(name), len(names) - names[::-1].index(name))


def contact_loss(outputs: Outputs, sample: Sample, usual: Usual) -> Tensor:
    """Returns the squared error of log contacts over their variance."""
    n_bins = sample.contacts.shape[-1]
    places = torch.arange(n_bins, device=usual.contacts.device)
    expected = usual.contacts[(places[:, None] - places).abs()]
    wanted = torch.from_numpy(np.log(sample.contacts)).to(expected.device) - expected
    return (outputs.maps[0].float() - wanted).square().mean() / usual.contact_loss


def junction_loss(network: Network, outputs: Outputs, sample: Sample) -> Tensor:
    """Returns the loss of reads over all pairs of sites that could be spliced.

    It is the deviance of their square roots, and the squared error of log(1 + reads).
    The sites that the network takes for some are among them, since it is asked for these.
    """
    parts = []
    margin = int(MARGIN * len(sample.codes))
    device = outputs.decoded.device
    for forward in (True, False):
        donor, acceptor = (
            x.cpu().numpy() for x in splice_sites(outputs.bases[0].detach(), forward)
        )
        donors, acceptors, wanted = (
            x.to(device) for x in pair_reads(sample, forward, (donor, acceptor))
        )
        if not len(donors):
            continue
        said = network.junctions(outputs.decoded[0], outputs.tokens[0], donors, acceptors)
        length = (acceptors[None] - donors[:, None]) * (1 if forward else -1)
        end = len(sample.codes) - margin
        inside = (donors >= margin) & (donors < end)
        possible = (length >= SHORTEST_INTRON) & inside[:, None]
        logit = said.float().clamp(max=LARGEST_LOGIT)
        off = (2 * logit).exp().log1p() - wanted.square().log1p()
        loss = deviance(wanted, logit) + LOGGED_READS * off.square()
        parts.append(loss[:, possible].flatten())
    if not parts or not sum(map(len, parts)):
        return outputs.decoded.new_zeros((), dtype=torch.float32)
    return torch.cat(parts).mean()
