/** A name, for tests, a term and its value. */
export type Row = readonly [name: string, term: string, value: string];

export function Rows({ rows, className }: { readonly rows: readonly Row[]; readonly className?: string }) {
  return (
    <dl className={className}>
      {rows.map(([name, term, value]) => (
        <div key={name} data-row={name}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
