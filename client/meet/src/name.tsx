/** A person's name, and beside it the app's own word about the person, which no name can imitate. */
import { useTexts } from "./preferences";

export function Name({ name, isSelf }: { readonly name: string; readonly isSelf: boolean }) {
  const texts = useTexts();
  return (
    <>
      <bdi>{name}</bdi>
      {isSelf ? (
        <>
          {" "}
          <span className="mark" role="note">
            {texts.you}
          </span>
        </>
      ) : null}
    </>
  );
}
