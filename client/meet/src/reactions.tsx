/** Reactions that float up for a moment. */
import type { Reaction, RoomSnapshot } from "@rotunda/client";
import type { ShownReaction } from "@rotunda/react";
import { everybodyIn } from "./everybody";
import { nameOf as shownName } from "./names";
import { useTexts } from "./preferences";

export const EMOJI: Readonly<Record<Reaction, string>> = {
  thumbs_up: "👍",
  thumbs_down: "👎",
  clap: "👏",
  heart: "❤️",
  laugh: "😂",
  surprise: "😮",
  party: "🎉",
};

/** Number of lanes: reactions rise side by side, however many one participant sends. */
const LANES = 7;

/** The reactions over the call; screen readers read them as text. */
export function Reactions({ shown, snapshot }: { shown: readonly ShownReaction[]; snapshot: RoomSnapshot }) {
  const texts = useTexts();
  const nameOf = (of: string): string => shownName(everybodyIn(snapshot).find(({ id }) => id === of) ?? { name: "" }, texts);
  return (
    <div className="reactions" role="log" aria-label={texts.react}>
      {shown.map(({ key, participant, reaction }) => (
        <div key={key} style={{ left: `${10 + (key % LANES) * 11}%` }}>
          <span className="emoji" aria-hidden="true">
            {EMOJI[reaction]}
          </span>
          <span className="from" aria-hidden="true">
            <bdi>{nameOf(participant)}</bdi>
          </span>
          <span className="heard">{texts.reacted(nameOf(participant), texts.reactions[reaction])}</span>
        </div>
      ))}
    </div>
  );
}
